#include "arguments.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace qarax::cli {
namespace {

// The environment is part of the grammar: each test begins with these variables unset.
class ArgumentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"QARAX_URL", "QARAX_TOKEN", "QARAX_CA_FILE"}) ::unsetenv(name);
  }
  static Arguments good(std::vector<std::string> words) {
    Parsed parsed = parse_arguments(std::move(words));
    EXPECT_TRUE(parsed.arguments) << parsed.err;
    return parsed.arguments.value_or(Arguments{});
  }
  static std::string bad(std::vector<std::string> words) {
    const Parsed parsed = parse_arguments(std::move(words));
    EXPECT_FALSE(parsed.arguments);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_EQ(parsed.out, "");
    return parsed.err;
  }
};

TEST_F(ArgumentsTest, LaunchTakesAWholeMachine) {
  const Arguments a = good({"launch", "web", "--memory", "512M", "--vcpus", "2", "--hypervisor", "qemu", "--timeout",
                            "1.5", "--config", R"({"a":1})"});
  EXPECT_EQ(a.command, "launch");
  EXPECT_EQ(a.target, "web");
  EXPECT_EQ(a.memory, 512LL << 20);
  EXPECT_EQ(a.vcpus, 2);
  EXPECT_EQ(a.hypervisor, "qemu");
  EXPECT_EQ(a.first_output, std::chrono::milliseconds(1500));
  ASSERT_TRUE(a.config);
  EXPECT_EQ(json::to_text(*a.config), R"({"a":1})");
}

TEST_F(ArgumentsTest, AResizeNamesWhatChanges) {
  const Arguments a = good({"resize", "web", "--vcpus", "2", "--memory", "1G"});
  EXPECT_EQ(a.vcpus, 2);
  EXPECT_EQ(a.memory, 1LL << 30);
  EXPECT_FALSE(good({"resize", "web", "--vcpus", "2"}).memory);
  EXPECT_NE(bad({"resize", "web", "--memory", "much"}).find("--memory"), std::string::npos);
  EXPECT_NE(bad({"resize", "web", "--vcpus", "0"}), "");
  EXPECT_NE(bad({"resize", "web"}).find("--vcpus, --memory or both"), std::string::npos);
}

TEST_F(ArgumentsTest, AVmCanBeMadeToGrow) {
  const Arguments a = good({"create", "web", "--vcpus", "1", "--max-vcpus", "4", "--memory-hotplug", "1G"});
  EXPECT_EQ(a.max_vcpus, 4);
  ASSERT_TRUE(a.memory_hotplug);
  EXPECT_EQ(*a.memory_hotplug->as_int(), 1LL << 30);
  EXPECT_TRUE(good({"set", "web", "--memory-hotplug", "none"}).memory_hotplug->is_null());
  EXPECT_FALSE(good({"launch", "web"}).memory_hotplug || good({"launch", "web"}).max_vcpus);
  EXPECT_NE(bad({"launch", "web", "--memory-hotplug", "much"}).find("--memory-hotplug: \"much\""), std::string::npos);
  EXPECT_NE(bad({"set", "web", "--max-vcpus", "0"}), "");
}

TEST_F(ArgumentsTest, RestartsAreAPolicyAndALimit) {
  const Arguments a = good({"launch", "web", "--restart", "on-failure", "--restart-limit", "0"});
  EXPECT_EQ(a.restart, "on-failure");
  EXPECT_EQ(a.restart_limit, 0);
  EXPECT_EQ(good({"set", "web", "--restart", "always"}).restart_limit, std::nullopt);
  EXPECT_NE(bad({"create", "web", "--restart", "sometimes"}).find("--restart"), std::string::npos);
  EXPECT_NE(bad({"set", "web", "--restart-limit", "-1"}), "");
}

TEST_F(ArgumentsTest, ASnapshotIsNamedAfterItsVm) {
  EXPECT_EQ(good({"snapshot", "web", "--name", "before"}).snapshot, "before");
  const Arguments a = good({"restore", "web", "before"});
  EXPECT_EQ(a.target, "web");
  EXPECT_EQ(a.snapshot, "before");
  EXPECT_NE(bad({"restore", "web"}).find("SNAPSHOT"), std::string::npos);
  EXPECT_NE(bad({"delete-snapshot", "web"}).find("SNAPSHOT"), std::string::npos);
}

TEST_F(ArgumentsTest, WhatIsNotGivenIsTheServersToChoose) {
  const Arguments a = good({"create", "web"});
  EXPECT_FALSE(a.memory || a.vcpus || a.config);
  EXPECT_EQ(a.hypervisor, "");
}

TEST_F(ArgumentsTest, SetNamesWhatChanges) {
  const Arguments a = good({"set", "web", "--tag", "prod", "--tag", "tier=web", "--memory", "1G", "--name", "front"});
  EXPECT_EQ(a.target, "web");
  EXPECT_EQ(a.tags, (std::vector<std::string>{"prod", "tier=web"}));
  EXPECT_EQ(a.name, "front");
  EXPECT_FALSE(a.description || a.vcpus);
  EXPECT_EQ(good({"set", "web", "--description", ""}).description, "");
  EXPECT_EQ(good({"set", "web", "--no-tags"}).tags, std::vector<std::string>());
  bad({"set", "web", "--no-tags", "--tag", "a"});
  EXPECT_EQ(good({"list", "--tag", "a", "--tag", "b"}).tags->size(), 2u);
}

TEST_F(ArgumentsTest, AnEmptyValueIsNoDefault) {
  const std::vector<std::vector<std::string>> cases = {{"create", "web", "--memory", ""},
                                                       {"set", "web", "--memory", ""},
                                                       {"resize", "web", "--memory", ""},
                                                       {"create", "web", "--config", ""},
                                                       {"launch", "web", "--hypervisor", ""},
                                                       {"list", "--tag", ""},
                                                       {"list", "--tag", "a", "--tag", ""},
                                                       {"jobs", ""},
                                                       {"jobs", "--host", ""},
                                                       {"unmanaged", "node1", "--remove", ""},
                                                       {"adopt", "node1", "--plan", ""},
                                                       {"delete", ""},
                                                       {"create", "web", "--memory-hotplug", ""}};
  for (const auto& words : cases) EXPECT_NE(bad(words).find("empty"), std::string::npos) << words[0] << bad(words);
  EXPECT_EQ(good({"set", "web", "--description", ""}).description, "") << "that takes it away";
}

TEST_F(ArgumentsTest, GlobalOptionsStandBeforeOrBehindTheCommand) {
  const Arguments before = good({"-o", "json", "--server", "http://h:1", "--wait", "3", "list"});
  const Arguments behind = good({"list", "-o", "json", "--server", "http://h:1", "--wait", "3"});
  for (const Arguments& a : {before, behind}) {
    EXPECT_TRUE(a.json());
    EXPECT_EQ(a.server, "http://h:1");
    EXPECT_EQ(a.wait, std::chrono::seconds(3));
  }
}

TEST_F(ArgumentsTest, TheEnvironmentFillsInAndTheOptionWins) {
  EXPECT_EQ(good({"list"}).server, "http://127.0.0.1:8000");
  ::setenv("QARAX_URL", "http://env:2", 1);
  ::setenv("QARAX_TOKEN", "secret", 1);
  EXPECT_EQ(good({"list"}).server, "http://env:2");
  EXPECT_EQ(good({"list"}).token, "secret");
  EXPECT_EQ(good({"list", "--server", "http://h:1"}).server, "http://h:1");
  EXPECT_EQ(bad({"list", "--nonsense"}).find("secret"), std::string::npos);
  EXPECT_EQ(parse_arguments({"--help"}).out.find("secret"), std::string::npos);
}

TEST_F(ArgumentsTest, ATokenIsOneHeadersValue) {
  for (const char* token : {"s3cret", "s3cret\n", "s3cret\r\n", "s3cret\r"}) {
    ::setenv("QARAX_TOKEN", token, 1);
    EXPECT_EQ(good({"list"}).token, "s3cret");
    EXPECT_EQ(good({"--token", token, "list"}).token, "s3cret");
  }
  for (const char* token : {"s3\ncret", "s3cret\n\n", "s3cret\r\nX-Other: header", "s3\tcret", "\x7fs3cret"}) {
    ::setenv("QARAX_TOKEN", token, 1);
    const std::string said = bad({"list"});
    EXPECT_NE(said.find("control character"), std::string::npos) << said;
    EXPECT_EQ(said.find("s3"), std::string::npos) << "it stays a secret";
  }
}

TEST_F(ArgumentsTest, AHostHasAnAddress) {
  const Arguments a = good({"add-host", "h1", "10.0.0.7:7000"});
  EXPECT_EQ(a.target, "h1");
  EXPECT_EQ(a.address.address, "10.0.0.7");
  EXPECT_EQ(a.address.port, 7000);
  EXPECT_TRUE(good({"delete-host", "h1", "--forget"}).forget);
  EXPECT_NE(bad({"add-host", "h1"}).find("ADDRESS"), std::string::npos);
  EXPECT_NE(bad({"add-host", "h1", "h:x"}).find("HOST:PORT"), std::string::npos);
}

TEST_F(ArgumentsTest, WrongUsageNamesTheHelpToRead) {
  EXPECT_NE(bad({}).find("qarax --help"), std::string::npos);
  EXPECT_NE(bad({"lunch"}).find("no command lunch"), std::string::npos);
  EXPECT_NE(bad({"-o", "json", "lunch", "web"}).find("no command lunch"), std::string::npos);
  EXPECT_NE(bad({"start"}).find("next: qarax start --help"), std::string::npos);
  EXPECT_NE(bad({"start", "a", "b"}).find("b"), std::string::npos);
  EXPECT_NE(bad({"launch", "web", "--memory", "12Q"}).find("--memory: \"12Q\" is no size"), std::string::npos);
  EXPECT_NE(bad({"launch", "web", "--vcpus", "0"}).find("--vcpus"), std::string::npos);
  EXPECT_NE(bad({"create", "web", "--config", "{"}).find("--config"), std::string::npos);
  EXPECT_NE(bad({"list", "-o", "yaml"}).find("yaml"), std::string::npos);
  EXPECT_NE(bad({"list", "--wait", "-1"}).find("--wait"), std::string::npos);
  EXPECT_NE(bad({"completion", "fish"}).find("fish"), std::string::npos);
}

TEST_F(ArgumentsTest, AConsoleIsFollowedOrCut) {
  EXPECT_TRUE(good({"console", "web", "--follow"}).follow);
  EXPECT_EQ(good({"console", "web", "--tail", "5"}).tail, 5);
  EXPECT_NE(bad({"console", "web", "--follow", "--tail", "5"}).find("exclude"), std::string::npos);
}

TEST_F(ArgumentsTest, AConsoleHasAKeyThatLeavesIt) {
  EXPECT_EQ(good({"console", "web"}).detach_key, '\x1d');
  EXPECT_FALSE(good({"console", "web"}).read_only);
  const Arguments a = good({"console", "web", "--read-only", "--detach-key", "^a", "--linger", "2.5"});
  EXPECT_TRUE(a.read_only);
  EXPECT_EQ(a.detach_key, '\x01');
  EXPECT_EQ(a.linger, std::chrono::milliseconds(2500));
  EXPECT_NE(bad({"console", "web", "--detach-key", "F1"}).find("--detach-key: \"F1\""), std::string::npos);
  const Parsed help = parse_arguments({"console", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("--detach-key"), std::string::npos);
}

}  // namespace
}  // namespace qarax::cli
