// Kills the supervisor at every system call of its life. Afterwards a VMM that runs has its identity on disk, every
// file on disk is complete, and the folder accepts a new supervisor.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "supervisor_fixture.hpp"

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kStep = 13;  // the sanitizers' start-up makes hundreds of calls, each of them slow
#else
constexpr int kStep = 1;
#endif

enum class Outcome { kKilled, kEnded, kUntraceable };

// Lets `pid` make `stops` entries into or exits out of system calls, then kills it.
Outcome kill_after(pid_t pid, int stops) {
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFSTOPPED(status)) return Outcome::kUntraceable;
  ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_EXITKILL);
  for (int i = 0; i < stops; ++i) {
    int number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    ptrace(PTRACE_SYSCALL, pid, nullptr, number);
    waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) return Outcome::kEnded;
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return Outcome::kKilled;
}

TEST_F(SupervisorTest, KilledAtAnyInstructionItLeavesNoUnknownVmmAndNoHalfRecord) {
  int started = 0;
  int recorded = 0;
  for (int stops = 1;; stops += kStep) {
    SCOPED_TRACE("killed after " + std::to_string(stops) + " stops");
    int mark[2];
    ASSERT_EQ(pipe2(mark, O_CLOEXEC), 0);
    Launched launched = launch({.vmm = {"mark", "10", "exit", "3"},
                                .extra = {"--fds", "1", "--fd-targets", "10"},
                                .fds = {mark[1]},
                                .reader_gone = true,
                                .traced = true});
    close(mark[1]);
    Outcome outcome = kill_after(launched.supervisor, stops);
    std::erase(supervisors_, launched.supervisor);
    if (outcome == Outcome::kUntraceable) GTEST_SKIP() << "processes can't be traced here";
    // Reads to the end of the stream: neither a VMM nor a child that would become one is left then.
    std::string vmm = read_all(mark[0]);
    close(mark[0]);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (!vmm.empty()) {
      ++started;
      std::string identity = read_file("supervisor.json");
      ASSERT_EQ(number_in(identity, "vmm_pid"), std::stol(vmm)) << identity;
      ASSERT_TRUE(identity.ends_with("\"}\n")) << identity;
    }
    if (std::filesystem::exists(path("exit.json"))) {
      ++recorded;
      std::string record = read_file("exit.json");
      ASSERT_EQ(number_in(record, "code"), 3) << record;
      ASSERT_TRUE(record.ends_with("\"}\n")) << record;
      // The record of the previous run is removed before this run has an identity.
      if (!vmm.empty()) {
        ASSERT_EQ(number_in(record, "vmm_pid"), std::stol(vmm)) << record;
      }
    }
    if (outcome == Outcome::kEnded) break;
  }
  EXPECT_GT(started, 5);
  EXPECT_GT(recorded, 1);
}

}  // namespace
