#include "qarax/core/config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace qarax::core {
namespace {

class Config : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-config-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = name;
  }
  void TearDown() override {
    unlink(path_.c_str());
    unsetenv("QARAX_T_LISTEN_PORT");
    unsetenv("QARAX_T_HOSTS");
    unsetenv("QARAX_T_PLUGINS");
  }
  void file(const std::string& text) { std::ofstream(path_) << text; }

  struct Values {
    std::string address = "127.0.0.1";
    std::int64_t port = 8000;
    bool insecure = false;
    std::int64_t grace = 5000;
    std::vector<std::string> hosts;
    std::vector<ConfigReader::Entry> plugins;
  };
  Status read(Values& v) {
    ConfigReader reader(path_, "QARAX_T");
    reader.text("listen.address", v.address);
    reader.integer("listen.port", v.port, 0, 65535);
    reader.boolean("insecure", v.insecure);
    reader.duration_ms("grace", v.grace);
    reader.texts("hosts", v.hosts);
    reader.objects("plugins", v.plugins);
    return reader.finish();
  }
  std::string path_;
};

TEST_F(Config, AbsentKeysKeepTheirDefaults) {
  file("# nothing\n");
  Values v;
  ASSERT_TRUE(read(v));
  EXPECT_EQ(v.port, 8000);
}

TEST_F(Config, ReadsEveryKind) {
  file(
      "listen:\n  address: 0.0.0.0\n  port: 9000\ninsecure: true\ngrace: 2m\nhosts: [a, b]\nplugins:\n  - path: "
      "/x.so\n    config:\n      n: 3\n      s: \"3\"\n");
  Values v;
  const auto status = read(v);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(v.address, "0.0.0.0");
  EXPECT_EQ(v.port, 9000);
  EXPECT_TRUE(v.insecure);
  EXPECT_EQ(v.grace, 120000);
  EXPECT_EQ(v.hosts, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(v.plugins.size(), 1u);
  EXPECT_EQ(json::to_text(v.plugins[0].value), R"({"path":"/x.so","config":{"n":3,"s":"3"}})");
  EXPECT_EQ(v.plugins[0].at, path_ + ":8");
}

TEST_F(Config, EnvironmentWins) {
  file("listen:\n  port: 9000\n");
  setenv("QARAX_T_LISTEN_PORT", "9001", 1);
  setenv("QARAX_T_HOSTS", "x,,y", 1);
  Values v;
  ASSERT_TRUE(read(v));
  EXPECT_EQ(v.port, 9001);
  EXPECT_EQ(v.hosts, (std::vector<std::string>{"x", "y"}));
}

TEST_F(Config, BlanksAroundTheEntriesOfAVariableDontCount) {
  file("hosts: [in-the-file]\n");
  setenv("QARAX_T_HOSTS", " x, y z\t,  ,", 1);
  Values v;
  ASSERT_TRUE(read(v));
  EXPECT_EQ(v.hosts, (std::vector<std::string>{"x", "y z"}));
}

TEST_F(Config, AMisspeltVariableIsNamed) {
  file("");
  setenv("QARAX_T_LISTEN_PROT", "9001", 1);
  setenv("QARAX_TOO", "another program's", 1);
  setenv("QARAX_T_SERVICE_HOST", "10.0.0.1", 1);
  Values v;
  const Status refused = read(v);
  ConfigReader reader(path_, "QARAX_T");
  reader.foreign_variable("QARAX_T_LISTEN_PROT");
  const Status foreign = reader.finish();
  unsetenv("QARAX_T_LISTEN_PROT");
  unsetenv("QARAX_TOO");
  unsetenv("QARAX_T_SERVICE_HOST");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "QARAX_T_LISTEN_PROT: unknown variable; did you mean QARAX_T_LISTEN_PORT?");
  EXPECT_TRUE(foreign) << foreign.error().message;
}

TEST_F(Config, AListOfMapsComesFromTheEnvironmentToo) {
  file("plugins:\n  - path: /in-the-file.so\n");
  setenv("QARAX_T_PLUGINS", "[{path: /x.so, config: {n: 3}}, {path: /y.so}]", 1);
  Values v;
  const auto status = read(v);
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(v.plugins.size(), 2u);
  EXPECT_EQ(json::to_text(v.plugins[0].value), R"({"path":"/x.so","config":{"n":3}})");
  EXPECT_EQ(v.plugins[0].at, "QARAX_T_PLUGINS");
  setenv("QARAX_T_PLUGINS", "[{path: /x.so", 1);
  EXPECT_NE(read(v).error().message.find("QARAX_T_PLUGINS: not valid YAML"), std::string::npos);
  setenv("QARAX_T_PLUGINS", "/x.so", 1);
  EXPECT_NE(read(v).error().message.find("QARAX_T_PLUGINS: expected a list"), std::string::npos);
  unsetenv("QARAX_T_PLUGINS");
  file("plugins:\n  - path: /x.so\n  - /y.so\n");
  EXPECT_EQ(read(v).error().message, path_ + ":3: expected each entry of plugins to be `key: value` lines");
}

class ConfigMap : public Config {
 protected:
  void SetUp() override {
    Config::SetUp();
    clear();
  }
  void TearDown() override {
    clear();
    Config::TearDown();
  }
  static void clear() {
    for (const char* name : {"QARAX_T_FALLBACK", "QARAX_T_FALLBACK_CLOUD_HV", "QARAX_T_FALBACK_CLOUD_HV"})
      unsetenv(name);
  }
  using Map = std::map<std::string, std::string>;
  Status read_map(Map& map) {
    ConfigReader reader(path_, "QARAX_T");
    reader.text_map("fallback", map);
    return reader.finish();
  }
  Map map_of(const std::string& text) {
    file(text);
    Map map{{"a", "the default"}};
    const Status status = read_map(map);
    EXPECT_TRUE(status) << text << ": " << status.error().message;
    return map;
  }
};

TEST_F(ConfigMap, IsReadInEveryFormThatYamlHas) {
  EXPECT_EQ(map_of("fallback: {cloud_hv: qemu, third: \"\"}\n"), (Map{{"cloud_hv", "qemu"}, {"third", ""}}));
  EXPECT_EQ(map_of("fallback:\n  cloud_hv: qemu\n  other-one: 5\n"), (Map{{"cloud_hv", "qemu"}, {"other-one", "5"}}));
  EXPECT_EQ(map_of("fallback: {}\n"), Map{});
  for (const char* absent : {"# nothing\n", "fallback:\n"}) EXPECT_EQ(map_of(absent), (Map{{"a", "the default"}}));
  EXPECT_EQ(map_of("fallback.cloud_hv: qemu\n").at("cloud_hv"), "qemu");
}

TEST_F(ConfigMap, TheEnvironmentGivesTheWholeOrOneEntry) {
  const std::string text = "fallback: {cloud-hv: qemu, other: qemu}\n";
  setenv("QARAX_T_FALLBACK_CLOUD_HV", "third", 1);
  EXPECT_EQ(map_of(text), (Map{{"cloud-hv", "third"}, {"other", "qemu"}}));
  EXPECT_EQ(map_of("fallback: {other: qemu}\n"), (Map{{"cloud_hv", "third"}, {"other", "qemu"}}));
  setenv("QARAX_T_FALLBACK", "{x: y}", 1);
  EXPECT_EQ(map_of(text), (Map{{"cloud_hv", "third"}, {"x", "y"}}));
  unsetenv("QARAX_T_FALLBACK_CLOUD_HV");
  setenv("QARAX_T_FALLBACK", "", 1);
  EXPECT_EQ(map_of(text), Map{});
}

TEST_F(ConfigMap, WhatIsNoMapOfTextsIsRefused) {
  for (const char* text : {"fallback: qemu\n", "fallback: [a]\n", "fallback: {a: [b]}\n", "fallback: {a: {b: c}}\n"}) {
    file(text);
    Map map;
    const Status refused = read_map(map);
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().message.find(path_ + ":1: fallback"), std::string::npos) << refused.error().message;
  }
  file("");
  Map map;
  setenv("QARAX_T_FALLBACK", "qemu", 1);
  EXPECT_EQ(read_map(map).error().message, "QARAX_T_FALLBACK: expected a map of single values");
  setenv("QARAX_T_FALLBACK", "{cloud_hv: [1]}", 1);
  EXPECT_EQ(read_map(map).error().message, "QARAX_T_FALLBACK: cloud_hv: expected a single value, as in {a: b, c: d}");
  setenv("QARAX_T_FALLBACK", "{a: b, a: c}", 1);
  EXPECT_EQ(read_map(map).error().message, "QARAX_T_FALLBACK: fallback.a: given twice");
  unsetenv("QARAX_T_FALLBACK");
  setenv("QARAX_T_FALBACK_CLOUD_HV", "qemu", 1);
  EXPECT_EQ(read_map(map).error().message,
            "QARAX_T_FALBACK_CLOUD_HV: unknown variable; did you mean QARAX_T_FALLBACK_…?");
}

TEST_F(Config, EveryProblemWithFileAndLine) {
  file("listen:\n  prot: 1\n  port: 70000\ngrace: 5\nnope:\n  deeper: 1\ninsecure: yes\n");
  Values v;
  const auto status = read(v);
  ASSERT_FALSE(status);
  const std::string& m = status.error().message;
  EXPECT_NE(m.find(path_ + ":2: listen.prot: unknown key; did you mean listen.port?"), std::string::npos) << m;
  EXPECT_NE(m.find(path_ + ":3: listen.port: expected a whole number from 0 to 65535, got \"70000\""),
            std::string::npos)
      << m;
  EXPECT_NE(m.find(path_ + ":4: grace: expected a duration"), std::string::npos) << m;
  EXPECT_NE(m.find(path_ + ":5: nope: unknown key"), std::string::npos) << m;
  EXPECT_EQ(m.find("nope.deeper"), std::string::npos) << m;
  EXPECT_NE(m.find(path_ + ":7: insecure: expected true or false"), std::string::npos) << m;
}

TEST_F(Config, ADurationMayHaveALowerBound) {
  const auto refusal = [&](const char* text, std::int64_t least_ms) {
    file(text);
    ConfigReader reader(path_, "QARAX_T");
    std::int64_t grace = 5000;
    reader.duration_ms("grace", grace, least_ms);
    const Status read = reader.finish();
    return read ? std::to_string(grace) : read.error().message;
  };
  EXPECT_EQ(refusal("grace: 0s\n", 0), "0");
  EXPECT_EQ(refusal("grace: 1s\n", 1000), "1000");
  EXPECT_EQ(refusal("grace: 999ms\n", 1000),
            path_ +
                ":1: grace: expected a duration such as 500ms, 30s, 2m or 1h, at least 1s and at most 87600h, got "
                "\"999ms\"");
  EXPECT_NE(refusal("grace: 0s\n", 10).find("at least 10ms"), std::string::npos);
}

TEST_F(Config, BrokenYamlNamesTheLine) {
  file("a: b\n  c: [\n");
  Values v;
  const auto status = read(v);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find(path_ + ":2"), std::string::npos) << status.error().message;
}

TEST_F(Config, ASecondDocumentIsRefusedWithItsLine) {
  file("listen:\n  port: 9000\n---\ninsecure: true\n");
  Values v;
  const auto status = read(v);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            path_ + ":3: a second YAML document begins here, which would be ignored; remove the line ---");
  for (const char* one :
       {"---\nlisten:\n  port: 9000\n", "listen:\n  port: 9000\n---\n", "listen: {port: 9000}\n...\n"}) {
    file(one);
    Values only;
    const auto good = read(only);
    ASSERT_TRUE(good) << one << ": " << good.error().message;
    EXPECT_EQ(only.port, 9000);
  }
  file("");
  setenv("QARAX_T_PLUGINS", "[{path: /x.so}]\n---\n[{path: /y.so}]", 1);
  EXPECT_EQ(read(v).error().message.find("QARAX_T_PLUGINS: a second YAML document"), 0U) << read(v).error().message;
}

// Found by the fuzzer: the parser stands still at such a token, and tells of one empty document after another.
TEST_F(Config, WhereTheParserDoesNotGetOnIsAnError) {
  file(",\312\001QARAXn:#n:\n! aliln:");
  Values v;
  const auto status = read(v);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, path_ + ":1: not valid YAML: nothing from here on can be read");
}

// Found by the fuzzer: an empty key below an empty key has the same dotted key.
TEST_F(Config, AKeyWithinItselfIsGivenTwiceAndNothingWorse) {
  for (const char* text : {": {a: 1, : 2, b: 3}\n", ": {a, ,,,, b}\n", "listen: {port: 1}\nlisten: {port: 2}\n"}) {
    file(text);
    Values v;
    const auto status = read(v);
    ASSERT_FALSE(status) << text;
    EXPECT_NE(status.error().message.find("given twice"), std::string::npos) << status.error().message;
  }
}

// The last key of two would win without a word.
TEST_F(Config, AKeyThatIsGivenTwiceWithinAListIsTold) {
  file(
      "plugins:\n  - path: /x.so\n    config:\n      depth: 3\n      list: [{a: 1}, {a: 2}]\n      depth: 4\n  - path: "
      "/y.so\n");
  Values v;
  const auto status = read(v);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, path_ + ":6: plugins.config.depth: given twice");
  setenv("QARAX_T_PLUGINS", "[{path: /x.so, path: /y.so}]", 1);
  Values by_variable;
  file("");
  EXPECT_EQ(read(by_variable).error().message, "QARAX_T_PLUGINS: plugins.path: given twice");
}

TEST_F(Config, AnAliasWithinWhatItNamesIsRefused) {
  for (const char* text : {"a: &x {b: *x}\n", "plugins: &x [*x]\n", "plugins: [{path: /x, config: &x {a: *x}}]\n",
                           "hosts: &x [*x, *x, *x]\n"}) {
    file(text);
    Values v;
    const auto status = read(v);
    ASSERT_FALSE(status) << text;
    EXPECT_NE(status.error().message.find("aliases that name each other"), std::string::npos) << status.error().message;
  }
  std::string doubled = "hosts:\n  - &a0 [x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    doubled += "  - &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
  }
  file(doubled);
  Values many;
  EXPECT_FALSE(read(many)) << "that would be 2^40 values";
  file("");
  setenv("QARAX_T_PLUGINS", "&x [*x]", 1);
  Values v;
  EXPECT_EQ(read(v).error().message.find("QARAX_T_PLUGINS: plugins: nested too deeply"), 0U);
}

TEST(ConfigFile, AMissingFileIsAnError) {
  ConfigReader reader("/nonexistent/qarax.yaml", "QARAX_T");
  const auto status = reader.finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(
      status.error().message,
      "--config: can't read /nonexistent/qarax.yaml: No such file or directory; name a file that this user can read");
}

}  // namespace
}  // namespace qarax::core
