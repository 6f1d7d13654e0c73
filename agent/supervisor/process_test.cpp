// The supervisor and its VMM as processes: reports, records, lock, signals, descriptors, cgroups, commands.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "supervisor_fixture.hpp"

namespace {

bool lock_is_held(const std::string& path) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  EXPECT_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
  close(fd);
  return lock.l_type != F_UNLCK;
}

// A cgroup v2 folder in which this process may make groups; empty: none.
std::string cgroup_root() {
  for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    struct statfs info {};
    if (statfs(root, &info) == 0 && info.f_type == 0x63677270 && access(root, W_OK) == 0) return root;
  }
  return "";
}

TEST_F(SupervisorTest, ReportsWhoRunsAndRecordsTheExitCode) {
  Launched launched = launch_with_console({"line", "exit", "7"});
  int vmm = 0;
  int supervisor = 0;
  unsigned long vmm_start = 0;
  unsigned long supervisor_start = 0;
  ASSERT_EQ(std::sscanf(launched.line.c_str(), "ok %d %lu %d %lu\n", &vmm, &vmm_start, &supervisor, &supervisor_start),
            4);
  EXPECT_EQ(supervisor, launched.supervisor);
  std::string identity = read_file("supervisor.json");
  EXPECT_EQ(number_in(identity, "format"), 1);
  EXPECT_EQ(number_in(identity, "min_reader"), 1);
  EXPECT_EQ(number_in(identity, "vmm_pid"), vmm);
  EXPECT_EQ(number_in(identity, "vmm_start_time"), static_cast<long>(vmm_start));
  EXPECT_EQ(number_in(identity, "supervisor_start_time"), static_cast<long>(supervisor_start));
  std::string boot_id = read_file("/proc/sys/kernel/random/boot_id");
  EXPECT_TRUE(has(identity, boot_id.substr(0, 36))) << identity;
  EXPECT_EQ(read_file("supervisor.lock"), std::to_string(supervisor) + " " + std::to_string(supervisor_start) + "\n");
  // Field 22, found in another way than the supervisor does.
  std::string stat = read_file("/proc/" + std::to_string(vmm) + "/stat");
  EXPECT_TRUE(has(stat, " " + std::to_string(vmm_start) + " ")) << stat;
  EXPECT_TRUE(lock_is_held(path("supervisor.lock")));
  EXPECT_FALSE(std::filesystem::exists(path("exit.json")));

  write_all(attach(), "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string record = read_file("exit.json");
  EXPECT_TRUE(has(record, "\"kind\":\"exited\"")) << record;
  EXPECT_EQ(number_in(record, "code"), 7);
  EXPECT_EQ(number_in(record, "signal"), 0);
  EXPECT_EQ(number_in(record, "vmm_pid"), vmm);
  EXPECT_FALSE(lock_is_held(path("supervisor.lock")));
  EXPECT_FALSE(std::filesystem::exists(path("control.sock")));
  EXPECT_FALSE(std::filesystem::exists(path("exit.json.tmp")));
}

TEST_F(SupervisorTest, RecordsTheSignal) {
  Launched launched = launch({.vmm = {"log", "about to fail", "raise", std::to_string(SIGUSR2)}});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string record = read_file("exit.json");
  EXPECT_TRUE(has(record, "\"kind\":\"signaled\"")) << record;
  EXPECT_EQ(number_in(record, "signal"), SIGUSR2);
  EXPECT_EQ(read_file("vmm.log"), "about to fail\n");
}

TEST_F(SupervisorTest, ExecFailureIsReportedAndLeavesNoIdentity) {
  Launched launched = launch({.program = "/nowhere/vmm"});
  EXPECT_EQ(launched.line, "error 2 exec /nowhere/vmm: No such file or directory\n");
  EXPECT_EQ(WEXITSTATUS(wait_exit(launched.supervisor)), 4);
  EXPECT_FALSE(std::filesystem::exists(path("supervisor.json")));
  EXPECT_FALSE(std::filesystem::exists(path("exit.json")));
  EXPECT_FALSE(std::filesystem::exists(path("control.sock")));
}

TEST_F(SupervisorTest, BadOptionsAreRefusedByName) {
  Launched launched = launch({.vmm = {"wait"}, .extra = {"--fds", "2", "--fd-targets", "5"}});
  EXPECT_EQ(launched.line, "error 22 --fds 2, but --fd-targets has 1 numbers: Invalid argument\n");
  EXPECT_EQ(WEXITSTATUS(wait_exit(launched.supervisor)), 2);
  launched = launch({.vmm = {"wait"}, .extra = {"--fds", "2", "--fd-targets", "5,5"}});
  EXPECT_EQ(launched.line, "error 22 --fd-targets: 5 is there twice: Invalid argument\n");
  wait_exit(launched.supervisor);
  launched = launch({.vmm = {"wait"}, .extra = {"--verbose", "1"}});
  EXPECT_EQ(launched.line, "error 22 --verbose: unknown option: Invalid argument\n");
  wait_exit(launched.supervisor);
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

TEST_F(SupervisorTest, ConsoleSocketThatTheVmmMakesLaterIsConnectedWithoutAGap) {
  Launched launched = launch({.vmm = {"wait"}, .extra = {"--console-connect", path("late.sock")}});
  EXPECT_TRUE(launched.line.starts_with("ok ")) << launched.line;
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path("late.sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  int peer = accept(listener, nullptr, nullptr);
  int client = attach();
  write_all(peer, "first words\n");
  EXPECT_EQ(read_until(client, "\n"), "first words\n");
  EXPECT_EQ(read_file("console.log"), "first words\n");
  close(client);
  close(peer);
  close(listener);
}

TEST_F(SupervisorTest, SecondSupervisorIsRefusedAndTheFirstUntouched) {
  Launched first = launch_with_console({"line", "exit", "0"});
  std::string identity = read_file("supervisor.json");
  Launched second = launch({.vmm = {"exit", "1"}});
  EXPECT_TRUE(second.line.starts_with("error 11 supervisor.lock is held by pid " + std::to_string(first.supervisor)))
      << second.line;
  EXPECT_EQ(WEXITSTATUS(wait_exit(second.supervisor)), 3);
  EXPECT_EQ(read_file("supervisor.json"), identity);
  write_all(attach(), "\n");
  EXPECT_EQ(wait_exit(first.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "code"), 0);
}

TEST_F(SupervisorTest, NextRunInTheSameFolderRemovesTheOldExitRecord) {
  Launched first = launch({.vmm = {"exit", "9"}});
  EXPECT_EQ(wait_exit(first.supervisor), 0);
  ASSERT_EQ(number_in(read_file("exit.json"), "code"), 9);
  Launched second = launch({.vmm = {"wait"}});
  EXPECT_FALSE(std::filesystem::exists(path("exit.json")));
  EXPECT_EQ(ask("kill"), "ok\n");
  EXPECT_EQ(wait_exit(second.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "signal"), SIGKILL);
}

TEST_F(SupervisorTest, SignalsToTheSupervisorAreIgnored) {
  Launched launched = launch_with_console({"line", "exit", "0"});
  for (int number : {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGALRM}) kill(launched.supervisor, number);
  EXPECT_TRUE(has(ask("status"), "\"alive\":true"));
  EXPECT_TRUE(alive(launched.vmm));
  write_all(attach(), "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
}

TEST_F(SupervisorTest, KilledSupervisorLeavesTheVmmAlive) {
  Launched launched = launch_with_console({"wait"});
  kill(launched.supervisor, SIGKILL);
  EXPECT_EQ(WTERMSIG(wait_exit(launched.supervisor)), SIGKILL);
  EXPECT_TRUE(alive(launched.vmm));
  EXPECT_FALSE(lock_is_held(path("supervisor.lock")));
  EXPECT_FALSE(std::filesystem::exists(path("exit.json")));
}

TEST_F(SupervisorTest, StarterThatIsGoneDoesNotMatter) {
  Launched launched = launch({.vmm = {"exit", "5"}, .reader_gone = true});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "code"), 5);
}

TEST_F(SupervisorTest, StragglerIsKilledAfterTheGraceAndTheExitReportedOnlyThen) {
  Launched launched = launch({.vmm = {"child", path("child"), "exit", "3"}});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  pid_t child = std::stoi(read_file("child"));
  vmms_.push_back(child);
  EXPECT_FALSE(alive(child));
  std::string record = read_file("exit.json");
  EXPECT_EQ(number_in(record, "code"), 3);
  long since = (now.tv_sec * 1000000000L + now.tv_nsec - number_in(record, "boottime_ns")) / 1000000;
  EXPECT_GE(since, 1000);
  EXPECT_LT(since, 5000);
}

TEST_F(SupervisorTest, KillReachesTheWholeTreeAtOnce) {
  Launched launched = launch_with_console({"child", path("child"), "say", "ready\n", "wait"});
  int client = attach("attach tail 100");
  read_until(client, "ready\n");
  close(client);
  pid_t grandchild = std::stoi(read_file("child"));
  ASSERT_TRUE(alive(grandchild));
  vmms_.push_back(grandchild);
  EXPECT_EQ(ask("kill"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_FALSE(alive(grandchild));
  EXPECT_EQ(number_in(read_file("exit.json"), "signal"), SIGKILL);
}

TEST_F(SupervisorTest, VmmStartsWithACleanSlate) {
  Launched launched = launch({.vmm = {"report", path("report")}, .extra = {"--env-clear"}, .hostile_signals = true});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string report = read_file("report");
  std::string pid = std::to_string(launched.vmm);
  EXPECT_TRUE(has(report, "pid " + pid + "\nsid " + pid + "\numask 077\n")) << report;
  EXPECT_TRUE(has(report, "SigBlk:\t0000000000000000\n")) << report;
  EXPECT_TRUE(has(report, "SigIgn:\t0000000000000000\n")) << report;
  EXPECT_TRUE(has(report, "\noom 0\n")) << report;
  EXPECT_FALSE(has(report, "\nenv ")) << report;
  std::string fds = "fd 0 /dev/null\nfd 1 " + path("vmm.log") + "\nfd 2 " + path("vmm.log") + "\n";
  EXPECT_TRUE(report.ends_with("\n" + fds)) << report;
}

TEST_F(SupervisorTest, PassedDescriptorsLandOnTheirNumbersEvenWhereTheyOverlap) {
  std::vector<int> fds;
  for (const char* name : {"a", "b", "c", "d"})
    fds.push_back(open(path(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  // The descriptors come as 4, 5, 6, 7: two swap places, one stays, one gets a high number. 3 is free once the ready
  // pipe is closed.
  Launched launched =
      launch({.vmm = {"report", path("report")}, .extra = {"--fds", "4", "--fd-targets", "5,4,6,1023"}, .fds = fds});
  for (int fd : fds) close(fd);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string report = read_file("report");
  std::string expected = "fd 2 " + path("vmm.log") + "\nfd 4 " + path("b") + "\nfd 5 " + path("a") + "\nfd 6 " +
                         path("c") + "\nfd 1023 " + path("d") + "\n";
  EXPECT_TRUE(report.ends_with(expected)) << report;
}

TEST_F(SupervisorTest, SupervisorKeepsNoCopyOfWhatItPassesOn) {
  int mark[2];
  ASSERT_EQ(pipe2(mark, O_CLOEXEC), 0);
  Launched launched =
      launch({.vmm = {"mark", "10", "wait"}, .extra = {"--fds", "1", "--fd-targets", "10"}, .fds = {mark[1]}});
  close(mark[1]);
  // The VMM closes its end after writing, so the stream ends while VMM and supervisor live.
  EXPECT_EQ(read_all(mark[0]), std::to_string(launched.vmm) + "\n");
  close(mark[0]);
  EXPECT_TRUE(alive(launched.vmm));
  EXPECT_EQ(ask("kill"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
}

TEST_F(SupervisorTest, DescriptorThatIsNotThereIsAnError) {
  Launched launched = launch({.vmm = {"wait"}, .extra = {"--fds", "2", "--fd-targets", "5,6"}, .fds = {0}});
  EXPECT_TRUE(launched.line.starts_with("error 9 --fds 2, but descriptor 5 isn't open")) << launched.line;
  wait_exit(launched.supervisor);
}

TEST_F(SupervisorTest, CommandsAnswer) {
  Launched launched = launch({.vmm = {"wait"}});
  struct stat info {};
  ASSERT_EQ(stat(path("control.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  std::string status = ask("status");
  EXPECT_EQ(number_in(status, "format"), 1);
  EXPECT_EQ(number_in(status, "vmm_pid"), launched.vmm);
  EXPECT_TRUE(has(status, "\"alive\":true")) << status;
  EXPECT_EQ(std::count(status.begin(), status.end(), '\n'), 1);
  EXPECT_TRUE(ask("dance").starts_with("error unknown command dance;"));
  EXPECT_TRUE(ask("signal").starts_with("error unknown command signal;"));
  EXPECT_EQ(ask("signal 99"), "error signal: expected a number from 1 to 64\n");
  EXPECT_EQ(ask("signal -1"), "error signal: expected a number from 1 to 64\n");
  EXPECT_EQ(ask("attach"), "error this VM has no console\n");
  EXPECT_EQ(ask(std::string(200, 'x')), "error the command is too long\n");
  EXPECT_EQ(ask("signal 15"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "signal"), SIGTERM);
}

TEST_F(SupervisorTest, LongPathOfTheRunFolder) {
  dir_ += "/" + std::string(120, 'x');
  ASSERT_TRUE(std::filesystem::create_directory(dir_));
  Launched launched = launch_with_console({"say", "far away\n", "line", "exit", "0"});
  EXPECT_TRUE(launched.line.starts_with("ok ")) << launched.line;
  int client = attach("attach tail 100");
  read_until(client, "far away\n");
  write_all(client, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
  EXPECT_EQ(read_file("console.log"), "far away\n");
}

TEST_F(SupervisorTest, CgroupHoldsTheVmmAndIsKilledAsAWhole) {
  std::string root = cgroup_root();
  if (root.empty()) GTEST_SKIP() << "no writable cgroup v2 here";
  std::string group = root + "/qarax-test-" + std::to_string(getpid());
  Launched launched =
      launch({.vmm = {"child", path("child"), "report", path("report"), "exit", "2"}, .extra = {"--cgroup", group}});
  EXPECT_TRUE(launched.line.starts_with("ok ")) << launched.line;
  // The supervisor moves itself after the report, so look only when it has ended.
  EXPECT_FALSE(has(read_file("vmm.log"), "stays in its starter's cgroup")) << read_file("vmm.log");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_TRUE(has(read_file("report"), "/qarax-test-" + std::to_string(getpid()) + "/vmm\n"));
  vmms_.push_back(std::stoi(read_file("child")));
  EXPECT_FALSE(alive(vmms_.back()));
  EXPECT_EQ(number_in(read_file("exit.json"), "code"), 2);
  EXPECT_FALSE(std::filesystem::exists(group + "/vmm"));
  EXPECT_EQ(rmdir((group + "/sup").c_str()), 0);
  EXPECT_EQ(rmdir(group.c_str()), 0);
}

TEST_F(SupervisorTest, ACgroupInWhichThingsWereKilledIsUsedAgain) {
  std::string root = cgroup_root();
  if (root.empty()) GTEST_SKIP() << "no writable cgroup v2 here";
  // The state that a run with a lost supervisor leaves.
  std::string group = root + "/qarax-test-" + std::to_string(getpid());
  std::filesystem::create_directories(group + "/vmm");
  std::ofstream(group + "/vmm/cgroup.kill") << 1 << std::flush;
  Launched launched = launch({.vmm = {"report", path("report"), "exit", "3"}, .extra = {"--cgroup", group}});
  EXPECT_TRUE(launched.line.starts_with("ok ")) << launched.line;
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "code"), 3) << read_file("exit.json");
  EXPECT_TRUE(has(read_file("report"), "/qarax-test-" + std::to_string(getpid()) + "/vmm\n"));
  EXPECT_EQ(rmdir((group + "/sup").c_str()), 0);
  EXPECT_EQ(rmdir(group.c_str()), 0);
}

TEST_F(SupervisorTest, ForeignProcessInTheCgroupIsWaitedForAndKilledToo) {
  std::string root = cgroup_root();
  if (root.empty()) GTEST_SKIP() << "no writable cgroup v2 here";
  std::string group = root + "/qarax-test-" + std::to_string(getpid());
  Launched launched = launch({.vmm = {"wait"}, .extra = {"--cgroup", group}});
  ask("status");  // it answers only after it has moved
  std::string own = read_file("/proc/" + std::to_string(launched.supervisor) + "/cgroup");
  EXPECT_TRUE(has(own, "/qarax-test-" + std::to_string(getpid()) + "/sup\n")) << own;
  pid_t foreign = fork();
  if (foreign == 0)
    for (;;) pause();
  vmms_.push_back(foreign);
  std::ofstream(group + "/vmm/cgroup.procs") << foreign << std::flush;
  EXPECT_EQ(ask("signal 15"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_FALSE(alive(foreign));
  EXPECT_FALSE(std::filesystem::exists(group + "/vmm"));
  EXPECT_EQ(rmdir((group + "/sup").c_str()), 0);
  EXPECT_EQ(rmdir(group.c_str()), 0);
}

TEST_F(SupervisorTest, ACancelledStartStartsNothing) {
  std::ofstream(path("cancelled")) << std::flush;
  Launched launched = launch({.vmm = {"wait"}});
  EXPECT_TRUE(launched.line.starts_with("error 125 ")) << launched.line;
  EXPECT_EQ(WEXITSTATUS(wait_exit(launched.supervisor)), 4);
  EXPECT_FALSE(std::filesystem::exists(path("supervisor.json")));
}

TEST_F(SupervisorTest, CgroupThatCannotBeMadeIsAnErrorUnlessOptional) {
  Launched launched = launch({.vmm = {"exit", "0"}, .extra = {"--cgroup", path("not-a-cgroup")}});
  EXPECT_TRUE(launched.line.starts_with("error 2 use cgroup ")) << launched.line;
  EXPECT_EQ(WEXITSTATUS(wait_exit(launched.supervisor)), 4);
  EXPECT_FALSE(std::filesystem::exists(path("not-a-cgroup")));
  launched = launch({.vmm = {"exit", "0"}, .extra = {"--cgroup", path("not-a-cgroup"), "--cgroup-optional"}});
  EXPECT_TRUE(launched.line.starts_with("ok ")) << launched.line;
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_TRUE(has(read_file("vmm.log"), "running without a cgroup"));
}

}  // namespace
