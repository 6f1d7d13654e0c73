// vmm.log: how long it may become, and what is kept and told when it is cut.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "supervisor_fixture.hpp"

namespace {

constexpr std::size_t kMost = std::size_t{1} << 20;
constexpr std::size_t kMore = std::size_t{1} << 16;  // what comes while it is copied

enum class Traced { kStopped, kEnded, kUntraceable };

// Lets the traced `pid` run up to the end of its first system call `number`.
Traced stop_after(pid_t pid, long number) {
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFSTOPPED(status)) return Traced::kUntraceable;
  ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  for (bool inside = false;;) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info{};
      if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) {
        ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
        return Traced::kUntraceable;
      }
      if (inside && info.op == PTRACE_SYSCALL_INFO_EXIT) return Traced::kStopped;
      inside = info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == static_cast<unsigned long>(number);
    }
    if ((signal & ~0x80) == SIGTRAP) signal = 0;
    ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
    waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) return Traced::kEnded;
  }
}

class VmmLogTest : public SupervisorTest {
 protected:
  // Launches a VMM whose log gets too long; `more` is written to it after the first piece of it was copied.
  void launch_and_write_meanwhile(const std::string& more) {
    const Launched launched = launch({.vmm = {"spam", "1100000", "exit", "0"}, .reader_gone = true, .traced = true});
    const Traced traced = stop_after(launched.supervisor, SYS_sendfile);
    if (traced == Traced::kUntraceable) GTEST_SKIP() << "processes can't be traced here";
    ASSERT_EQ(traced, Traced::kStopped) << "the log wasn't copied";
    std::ofstream(path("vmm.log"), std::ios::app) << more;
    ptrace(PTRACE_DETACH, launched.supervisor, nullptr, nullptr);
    EXPECT_EQ(wait_exit(launched.supervisor), 0);
  }
};

TEST_F(VmmLogTest, IsBounded) {
  Launched launched = launch({.vmm = {"spam", "4000000", "log", "the last word"}});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string older = read_file("vmm.log.1");
  std::string current = read_file("vmm.log");
  EXPECT_LE(older.size(), kMost + kMore);
  EXPECT_LE(current.size(), kMost);
  EXPECT_TRUE(has(older + current, "the last word\n"));
  EXPECT_TRUE(has(current, "[qarax: the log was cut; ")) << current.substr(0, 200);
}

TEST_F(VmmLogTest, WhatComesWhileItIsCutIsKept) {
  launch_and_write_meanwhile("came meanwhile\n");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_TRUE(has(read_file("vmm.log.1"), "came meanwhile\n"));
  EXPECT_FALSE(has(read_file("vmm.log"), "came meanwhile\n"));
}

TEST_F(VmmLogTest, WhatComesTooFastIsToldAsLost) {
  launch_and_write_meanwhile(std::string(4 * kMore, 'x') + "\n");
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_EQ(read_file("vmm.log.1").size(), kMost + kMore);
  const std::string current = read_file("vmm.log");
  EXPECT_TRUE(has(current, "vmm.log.1 has the first " + std::to_string(kMost + kMore) + " of at least "))
      << current.substr(0, 400);
}

TEST_F(VmmLogTest, SaysWhatCouldNotBeKept) {
  ASSERT_TRUE(std::filesystem::create_directory(path("vmm.log.1")));  // so no file can be opened there
  Launched launched = launch({.vmm = {"spam", "4000000", "log", "the last word"}});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string current = read_file("vmm.log");
  EXPECT_LE(current.size(), kMost);
  EXPECT_TRUE(has(current, "vmm.log.1 has the first 0 of at least 1048576 bytes before this, no more: Is a directory]"))
      << current;
}

}  // namespace
