// The client against fake_vmm, a process; against the real VMM with CLOUD_HYPERVISOR=/path (what needs no KVM of it).
#include "api_client.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "kernel_file.hpp"
#include "temp_folder.hpp"
#include "unix_socket.hpp"

namespace qarax::cloud_hypervisor {
namespace {

class ApiClientTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const char* real = std::getenv("CLOUD_HYPERVISOR");
    if (GetParam() && real == nullptr) GTEST_SKIP() << "CLOUD_HYPERVISOR names no cloud-hypervisor program";
    std::ofstream(dir_ + "/kernel", std::ios::binary) << empty_bzimage();
    std::filesystem::create_directory(dir_ + "/one");
    auto listening = plugin::listen_unix(dir_, kApiSocket);
    ASSERT_TRUE(listening);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int fd = ::dup2(listening->get(), 10);
      ::fcntl(fd, F_SETFD, 0);
      const char* program = GetParam() ? real : FAKE_VMM;
      ::execl(program, program, "--api-socket", "fd=10", "--seccomp", "log", static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  ApiClient client(int most_ms = 5000) const { return {dir_, most_ms}; }
  plugin::Call& call() { return call_; }
  const std::string& dir() const { return dir_; }
  std::string config(const std::string& fault = "") const {
    return R"({"cpus":{"boot_vcpus":1,"max_vcpus":1},"memory":{"size":134217728},"payload":{"kernel":")" + dir_ +
           R"(/kernel","cmdline":"x"},"serial":{"mode":"Socket","socket":")" + dir_ + R"(/serial.sock"},)" +
           R"("console":{"mode":"Off"},"platform":{"oem_strings":[)" + (fault.empty() ? "" : "\"" + fault + "\"") +
           "]}}";
  }

 private:
  TempFolder folder_;
  const std::string dir_ = folder_.path();
  pid_t pid_ = -1;
  static qarax_call raw() {
    qarax_call out{};
    out.size = sizeof out;
    out.cancel_fd = -1;
    return out;
  }
  qarax_call raw_ = raw();
  plugin::Call call_{&raw_};
};

TEST_P(ApiClientTest, WhatNeedsNoGuestIsAnsweredAlike) {
  const auto version = client().ping(call());
  ASSERT_TRUE(version) << version.error().message;
  EXPECT_FALSE(version->empty());
  const auto none = client().state(call());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found) << none.error().message;
  EXPECT_EQ(none.error().reason, "vmm-refused");
  for (const auto& refused : {client().boot(call()), client().pause(call()), client().resume(call()),
                              client().power_button(call()), client().reboot(call())}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "vmm-refused") << refused.error().message;
  }
  const std::string disk = R"({"id":"d","path":")" + dir() + R"(/kernel","readonly":true,"image_type":"Raw"})";
  const std::string net = R"({"id":"n","tap":"qaraxtest0","mac":"52:54:00:12:34:56","num_queues":2})";
  for (const auto& refused : {client().add_disk(call(), disk), client().add_net(call(), net, {}),
                              client().remove_device(call(), "d"), client().resize(call(), 2, std::nullopt),
                              client().snapshot(call(), dir()), client().restore(call(), dir() + "/none", false)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "vmm-refused") << refused.error().message;
  }
  ASSERT_TRUE(client().create(call(), config()));
  EXPECT_EQ(*client().state(call()), "Created");
  const auto added = client().add_disk(call(), disk);
  EXPECT_TRUE(added) << added.error().message;
  EXPECT_FALSE(client().add_disk(call(), disk)) << "the id is taken";
  EXPECT_TRUE(client().remove_device(call(), "d"));
  EXPECT_FALSE(client().remove_device(call(), "d"));
  EXPECT_TRUE(client().add_net(call(), net, {}));
  const auto running = client().snapshot(call(), dir());
  ASSERT_FALSE(running) << "a VM that doesn't run has nothing to write";
  EXPECT_FALSE(client().restore(call(), dir(), false)) << "there is a VM already";
  const auto twice = client().create(call(), config());
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("already created"), std::string::npos) << twice.error().message;
  const auto nonsense = client().create(call(), "{");
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().reason, "vmm-refused");
}

INSTANTIATE_TEST_SUITE_P(Fake, ApiClientTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Real, ApiClientTest, ::testing::Values(true));

using FakeFaults = ApiClientTest;

TEST_P(FakeFaults, AVmmThatDiesHangsOrTalksGarbageIsAnError) {
  ASSERT_TRUE(client().create(call(), config("fake:info=garbage")));
  const auto garbage = client().state(call());
  ASSERT_FALSE(garbage);
  EXPECT_EQ(garbage.error().code, Code::internal);
}

TEST_P(FakeFaults, ARefusedCreateIsToldAndNothingIsBooted) {
  ASSERT_TRUE(client().create(call(), config()));
  const auto refused = client().create_and_boot(call(), config());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("vm.create: "), std::string::npos) << refused.error().message;
  EXPECT_EQ(*client().state(call()), "Created");
}

TEST_P(FakeFaults, CreateAndBootNeedOneConnection) {
  auto listening = plugin::listen_unix(dir() + "/one", kApiSocket);
  ASSERT_TRUE(listening);
  std::thread peer([&] {
    const plugin::Socket only(::accept(listening->get(), nullptr, nullptr));
    listening->close();
    std::string asked;
    char chunk[4096];
    for (int i = 0; i < 2; ++i) {
      const std::size_t from = asked.size();
      while (asked.find(i == 0 ? "{}" : "\r\n\r\n", from) == std::string::npos) {
        const ssize_t n = ::recv(only.get(), chunk, sizeof chunk, 0);
        if (n <= 0) return;
        asked.append(chunk, static_cast<std::size_t>(n));
      }
      EXPECT_NE(asked.find(i == 0 ? "/vm.create" : "/vm.boot", from), std::string::npos) << asked;
      const std::string reply = "HTTP/1.1 204 \r\nConnection: keep-alive\r\n\r\n";
      EXPECT_EQ(::send(only.get(), reply.data(), reply.size(), MSG_NOSIGNAL), static_cast<ssize_t>(reply.size()));
    }
  });
  const auto done = ApiClient(dir() + "/one", 5000).create_and_boot(call(), "{}");
  EXPECT_TRUE(done) << done.error().message;
  peer.join();
}

TEST_P(FakeFaults, HoweverLongARefusalIsItsBeginIsTold) {
  auto listening = plugin::listen_unix(dir() + "/one", kApiSocket);
  ASSERT_TRUE(listening);
  const std::string text(100'000, 'x');
  for (const std::string& body :
       {text, "[\"first\",\"" + text + "\"]", "[\"" + text + "\",\"pending removed vcpu\"]"}) {
    std::thread peer([&] {
      const plugin::Socket only(::accept(listening->get(), nullptr, nullptr));
      char chunk[4096];
      if (::recv(only.get(), chunk, sizeof chunk, 0) <= 0) return;
      const std::string reply = "HTTP/1.1 500 \r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      EXPECT_EQ(::send(only.get(), reply.data(), reply.size(), MSG_NOSIGNAL), static_cast<ssize_t>(reply.size()));
    });
    const auto refused = ApiClient(dir() + "/one", 5000).pause(call());
    peer.join();
    ASSERT_FALSE(refused);
    EXPECT_LT(refused.error().message.size(), 800u);
    EXPECT_EQ(refused.error().reason, body.ends_with("vcpu\"]") ? "unavailable" : "vmm-refused") << "all is looked at";
  }
}

// What the plugin refuses up front is what the real one wouldn't take, or not survive.
TEST_P(FakeFaults, ABadConfigIsSeenWhereTheRealOneSeesIt) {
  const auto with = [&](const std::string& cpus, const std::string& memory) {
    return R"({"cpus":{"boot_vcpus":1,"max_vcpus":1)" + cpus + R"(},"memory":{)" + memory +
           R"(},"payload":{"kernel":")" + dir() + R"(/kernel"}})";
  };
  const std::string memory = R"("size":134217728)";
  for (const char* cpus : {R"(,"max_phys_bits":256)", R"(,"affinity":[{"vcpu":-1,"host_cpus":[0]}])"})
    EXPECT_FALSE(client().create(call(), with(cpus, memory))) << cpus;
  for (const std::string bad :
       {R"("size":134217729)", R"("size":134221824,"hugepages":true)", R"("size":134217728,"hotplug_size":0)"}) {
    ASSERT_TRUE(client().create(call(), with("", bad))) << bad;
    EXPECT_FALSE(client().boot(call())) << bad;
    ASSERT_TRUE(plugin::UnixHttpClient(dir(), kApiSocket, "VMM").request(call(), "PUT", "/api/v1/vm.delete", "", 5000));
  }
  ASSERT_TRUE(client().create(call(), with(R"(,"affinity":[{"vcpu":0,"host_cpus":[1024]}])", memory)));
  EXPECT_EQ(client().boot(call()).error().code, Code::unavailable) << "it panics";
}

TEST_P(FakeFaults, AHungBootEndsAtTheLimit) {
  ASSERT_TRUE(client().create(call(), config("fake:boot=hangs")));
  const auto hung = client(50).boot(call());
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, Code::deadline_exceeded);
}

TEST_P(FakeFaults, ABootThatKillsTheVmmIsAHangUp) {
  ASSERT_TRUE(client().create(call(), config("fake:boot=dies")));
  const auto died = client().boot(call());
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error().code, Code::unavailable);
}

INSTANTIATE_TEST_SUITE_P(Fake, FakeFaults, ::testing::Values(false));

}  // namespace
}  // namespace qarax::cloud_hypervisor
