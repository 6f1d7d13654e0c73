// Creation, shutdown and what plugins do to the process around them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

TEST(PluginLife, WhatBelongsToTheProcessIsPutBack) {
  RecordingServices services;
  PluginHost host(services);
  ::setenv("QARAX_FIXTURE_VICTIM", "mine", 1);
  const auto folder = std::filesystem::current_path();
  ASSERT_STREQ(std::setlocale(LC_ALL, nullptr), "C");
  const auto record = host.load({.path = fixture("changes_process")});
  EXPECT_EQ(record.state, PluginState::loaded) << record.reason;
  EXPECT_THAT(record.warnings, ElementsAre("changed the handler of SIGPIPE", "ignored SIGCHLD",
                                           "changed the signal mask", "changed the working folder", "changed the umask",
                                           "changed the locale", "changed the environment"));
  struct sigaction action {};
  ::sigaction(SIGCHLD, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
  ::sigaction(SIGPIPE, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
  sigset_t mask{};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGTERM), 0);
  EXPECT_EQ(std::filesystem::current_path(), folder);
  const mode_t umask = ::umask(077);
  ::umask(umask);
  EXPECT_NE(umask, 0u);
  EXPECT_STREQ(std::setlocale(LC_ALL, nullptr), "C");
  EXPECT_EQ(::getenv("QARAX_FIXTURE"), nullptr);
  EXPECT_STREQ(::getenv("QARAX_FIXTURE_VICTIM"), "mine");
}

TEST(PluginLife, AWaitedChildKeepsItsStatusAfterAPluginIgnoredSigchld) {
  RecordingServices services;
  PluginHost host(services);
  host.load({.path = fixture("changes_process")});
  const char* argv[] = {"/bin/sh", "-c", "exit 7", nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, "/bin/sh", nullptr, nullptr, const_cast<char**>(argv), environ), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(PluginLife, NoLockIsHeldAcrossCreateAndDestroy) {
  RecordingServices services;
  PluginHost host(services);
  // The plugin calls notify inside create and destroy; if the host held its lock then, this would deadlock.
  services.on_notify = [&](std::string_view, std::string_view) {
    std::thread([&] { static_cast<void>(host.records()); }).join();
  };
  ASSERT_EQ(host.load({.path = fixture("c_plugin")}).state, PluginState::loaded);
  EXPECT_TRUE(host.shutdown(5000));
  EXPECT_THAT(services.events(), ElementsAre("notify c_plugin ", "notify c_plugin going"));
  EXPECT_TRUE(host.shutdown(5000)) << "twice is once";
}

TEST(PluginLife, CallsAfterShutdownAreRefused) {
  RecordingServices services;
  PluginHost host(services);
  ASSERT_EQ(host.load({.path = fixture("c_plugin")}).state, PluginState::loaded);
  auto* c = host.hypervisor("c_plugin");
  ASSERT_TRUE(host.shutdown(5000));
  const auto status = c->inspect({}, {.vm = "vm"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::unavailable);
  EXPECT_EQ(status.error().message, "plugin c_plugin: inspect: the node is shutting down");
}

TEST(PluginLife, ADestroyThatHangsIsLeftBehindAndNamed) {
  const TempFolder folder;
  const auto fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  RecordingServices services;
  {
    PluginHost host(services);
    const auto record = host.load({.path = fixture("slow_destroy"), .config = {R"({"fifo":")" + fifo + R"("})"}});
    ASSERT_EQ(record.state, PluginState::loaded) << record.reason;
    ASSERT_EQ(host.load({.path = fixture("c_plugin")}).state, PluginState::loaded);
    const auto ended = host.shutdown(500);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::deadline_exceeded);
    EXPECT_EQ(ended.error().message, "plugins that didn't end in time: slow_destroy (destroy hasn't returned)");
  }
  EXPECT_THAT(services.events(), Contains("notify c_plugin going")) << "the others end all the same";
  const int fd = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);  // blocks until destroy has it open, then frees it
  EXPECT_GE(fd, 0);
  ::close(fd);
}

TEST(PluginLife, ACallThatHangsIsLeftBehindAndNamed) {
  RecordingServices services;
  std::promise<void> inside;
  std::promise<void> go_on;
  services.on_spawn = [&](const CallView&) -> Result<Process> {
    inside.set_value();
    go_on.get_future().wait();
    return Process{};
  };
  PluginHost host(services);
  ASSERT_EQ(host.load({.path = fixture("c_plugin")}).state, PluginState::loaded);
  auto* c = host.hypervisor("c_plugin");
  CallContext context;
  context.keep = [](std::string_view) -> Status { return Ok{}; };
  std::thread caller([&] { EXPECT_TRUE(c->start(context, {.vm = "vm", .incarnation = 1})); });
  inside.get_future().wait();
  const auto ended = host.shutdown(50);
  go_on.set_value();
  caller.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message, "plugins that didn't end in time: c_plugin (a call hasn't returned)");
  EXPECT_THAT(services.events(), ::testing::Not(Contains("notify c_plugin going"))) << "no destroy under a call";
}

TEST(LoadCheck, AFileThatIsntThereIsSaidToBe) {
  const std::string command = std::string(QARAX_LOAD_CHECK) + " /nonexistent/nosuch.so";
  FILE* said = ::popen(command.c_str(), "r");
  ASSERT_NE(said, nullptr);
  char line[256] = "";
  EXPECT_NE(std::fgets(line, sizeof line, said), nullptr);
  EXPECT_STREQ(line, "/nonexistent/nosuch.so: No such file or directory\n");
  EXPECT_EQ(WEXITSTATUS(::pclose(said)), 1);
}

TEST(LoadCheck, ARequiredMemberOfTheConfigComesFromTheSettingsAndTheCommandLine) {
  const TempFolder folder;
  const std::string settings = folder / "conformance.yaml";
  std::ofstream(settings) << "config: {place: here, number: word}\nspec: {boot_vcpus: 1}\nneeds_guest: true\n";
  const auto exit_of = [&](const std::string& options) {
    const std::string command =
        std::string(QARAX_LOAD_CHECK) + " " + options + " " + fixture("needs_config") + " >/dev/null 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(exit_of(""), 1);
  EXPECT_EQ(exit_of("--config '{\"place\":\"here\",\"number\":3}'"), 0);
  EXPECT_EQ(exit_of("--settings " + settings), 1) << "where the number is a word";
  EXPECT_EQ(exit_of("--settings " + settings + " --set number=3"), 0);
  EXPECT_EQ(exit_of("--set number=3 --set place=here"), 0);
  EXPECT_EQ(exit_of("--settings " + settings + " --set number"), 2);
  EXPECT_EQ(exit_of("--settings " + (folder / "nosuch.yaml")), 2);
}

// Run as a process: a thread that the plugin never joins must not crash the host, whether the plugin was loaded or
// refused, even if its file was linked without -z nodelete.
class RogueThread : public ::testing::TestWithParam<const char*> {};

TEST_P(RogueThread, TheProcessEndsWell) {
  const std::string config = GetParam();
  const bool refused = config.find("true") != std::string::npos;
  for (int round = 0; round < 20; ++round) {
    const std::string file = fixture("rogue_thread");
    const char* argv[] = {QARAX_LOAD_CHECK, "--config", config.c_str(), file.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    ASSERT_EQ(::posix_spawn(&pid, QARAX_LOAD_CHECK, &actions, nullptr, const_cast<char**>(argv), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), refused ? 1 : 0);
  }
}
INSTANTIATE_TEST_SUITE_P(Both, RogueThread, ::testing::Values(R"({"refuse":false})", R"({"refuse":true})"));

}  // namespace
}  // namespace qarax::core::testing
