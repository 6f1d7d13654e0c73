#include "process_service.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <future>
#include <thread>

#include "ledger.hpp"
#include "process_service_fixture.hpp"
#include "records.hpp"

namespace qarax::agent {
namespace {

TEST_F(ProcessServiceTest, WhatRunsIsFoundAndWhatNeverRanIsNot) {
  EXPECT_EQ(service_->find(process()).error().code, Code::not_found);
  const Process started = spawn({"wait"});
  EXPECT_TRUE(started.alive);
  const auto found = service_->find(process());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(found->alive);
  EXPECT_EQ(found->pid, started.pid);
  EXPECT_EQ(found->start_time, started.start_time);
  EXPECT_EQ(service_->find({vm_, 2}).error().code, Code::not_found);
  EXPECT_EQ(service_->spawn(vmm({"wait"}), {}, kLimits).error().code, Code::already_exists);
}

TEST_F(ProcessServiceTest, AVmHasOneLiveProcessWhateverItsIncarnation) {
  spawn({"wait"});
  SpawnArgs next = vmm({"exit", "0"});
  next.incarnation = 2;
  EXPECT_EQ(service_->spawn(next, {}, kLimits).error().code, Code::failed_precondition);
  ASSERT_TRUE(service_->kill(process(), kLimits));
  const auto started = service_->spawn(next, {}, kLimits);
  EXPECT_TRUE(started) << started.error().message;
  service_->clean_up(vm_, 2);
}

TEST_F(ProcessServiceTest, AChildThatEndsLateIsReapedThen) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  service_->reap_later({child, core::process_start_time(child).value_or(0)});
  ::kill(child, SIGKILL);
  while (::kill(child, 0) == 0) std::this_thread::yield();
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ProcessServiceTest, AClaimOfWhatNobodyLooksForIsRefused) {
  EXPECT_TRUE(service_->claim({vm_, "socket", run_dir() + "/api"}));
  const auto refused = service_->claim({vm_, "blimp", "lz 129"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("process, cgroup, socket, file, tap, mount, volume"), std::string::npos);
}

TEST_F(ProcessServiceTest, AnEndIsToldAndItsRecordFound) {
  spawn({"log", "last words", "exit", "3"});
  EXPECT_EQ(exited(), 1);
  const auto ended = service_->find(process());
  ASSERT_TRUE(ended);
  EXPECT_FALSE(ended->alive);
  ASSERT_TRUE(ended->exit);
  EXPECT_EQ(ended->exit->kind, ExitKind::exited);
  EXPECT_EQ(ended->exit->code, 3);
  EXPECT_EQ(ended->exit->log_tail, "last words\n");
  EXPECT_EQ(service_->wait(process(), kLimits)->exit->code, 3) << "waiting for what has ended doesn't wait";
}

TEST_F(ProcessServiceTest, WhoLooksForAProcessWaitsNoLongerThanItsCall) {
  record_ms_ = 60'000;
  reopen();
  spawn({"wait"});
  std::filesystem::remove(run_dir() + "/supervisor.json");  // as of a supervisor that hasn't written anything yet
  const auto late = service_->find(process(), CallLimits{}.within_ms(20));
  EXPECT_EQ(late ? Code::ok : late.error().code, Code::deadline_exceeded);
  const core::Fd cancelled(::eventfd(1, EFD_CLOEXEC));
  const auto given_up = service_->find(process(), {0, cancelled.get()});
  EXPECT_EQ(given_up ? Code::ok : given_up.error().code, Code::cancelled);
  record_ms_ = 20;
  reopen();
  const auto never = service_->find(process(), kLimits);
  EXPECT_EQ(never ? Code::ok : never.error().code, Code::unavailable) << "it has had its time";
}

// The disk is slow, say, and the supervisor waits for it. Nobody may take that for a lost supervisor.
TEST_F(ProcessServiceTest, AnEndThatIsntRecordedYetIsNoneAndIsToldWhenItIs) {
  exit_record_ms_ = 20;
  reopen();
  const Process started = spawn({"report", dir_ + "/report", "usr1", "exit", "0"});
  while (!std::filesystem::exists(dir_ + "/report")) std::this_thread::yield();
  const auto record = read_supervisor_record(run_dir());
  ASSERT_TRUE(record);
  ::kill(record->supervisor.pid, SIGSTOP);
  siginfo_t stopped{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(record->supervisor.pid), &stopped, WSTOPPED), 0);
  EXPECT_TRUE(service_->signal({process(), SIGUSR1}));
  while (is_alive({started.pid, started.start_time})) std::this_thread::yield();
  const auto found = service_->find(process());
  EXPECT_EQ(found ? Code::ok : found.error().code, Code::deadline_exceeded);
  const auto again = service_->spawn(vmm({"wait"}), {}, kLimits);
  EXPECT_EQ(again ? Code::ok : again.error().code, Code::deadline_exceeded) << "it would have the same folder";
  ::kill(record->supervisor.pid, SIGCONT);
  EXPECT_EQ(exited(), 1);
  const auto ended = service_->find(process());
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(ended->exit->kind, ExitKind::exited) << "the guest's power-off";
  EXPECT_EQ(ended->exit->code, 0);
}

TEST_F(ProcessServiceTest, ASignalReachesTheVmm) {
  spawn({"report", dir_ + "/report", "usr1", "exit", "7"});
  while (!std::filesystem::exists(dir_ + "/report")) std::this_thread::yield();  // the VMM is ready for the signal
  ASSERT_TRUE(service_->signal({process(), SIGUSR1}));
  EXPECT_EQ(service_->wait(process(), kLimits)->exit->code, 7);
}

// After a reboot the record's pids, even with their start times, may belong to other processes.
TEST_F(ProcessServiceTest, WhatAnotherBootRecordedIsNeitherSignalledNorWaitedFor) {
  const Process started = spawn({"wait"});
  const std::string file = run_dir() + "/supervisor.json";
  const std::string record = *core::read_file(file);
  std::string of_another_boot = record;
  const std::size_t at = record.find(core::boot_id());
  ASSERT_NE(at, std::string::npos) << record;
  of_another_boot.replace(at, core::boot_id().size(), "another");
  ASSERT_TRUE(core::write_file_durably(file, of_another_boot));
  EXPECT_EQ(service_->signal({process(), SIGKILL}).error().code, Code::not_found);
  const auto waited = service_->wait(process(), CallLimits{}.within_ms(20));
  EXPECT_TRUE(waited) << waited.error().message;
  EXPECT_TRUE(is_alive({started.pid, started.start_time}));
  ASSERT_TRUE(core::write_file_durably(file, record));
}

TEST_F(ProcessServiceTest, AWaitEndsAtItsLimits) {
  spawn({"wait"});
  EXPECT_EQ(service_->wait(process(), CallLimits{}.within_ms(20)).error().code, Code::deadline_exceeded);
  const core::Fd cancel(::eventfd(1, EFD_CLOEXEC));
  EXPECT_EQ(service_->wait(process(), {0, cancel.get()}).error().code, Code::cancelled);
}

TEST_F(ProcessServiceTest, ARestartedAgentAdoptsWhatRunsAndHearsOfItsEnd) {
  const Process started = spawn({"wait"});
  reopen();
  EXPECT_TRUE(service_->find(process())->alive);
  ASSERT_TRUE(service_->adopt(vm_, 1));
  ::kill(started.pid, SIGTERM);
  EXPECT_EQ(exited(), 1);
  EXPECT_EQ(service_->find(process())->exit->signal, SIGTERM);
  EXPECT_FALSE(service_->adopt(vm_, 1)) << "it is gone";
  EXPECT_FALSE(service_->adopt(vm_, 2)) << "it never was";
}

TEST_F(ProcessServiceTest, ALostSupervisorLeavesTheVmmWatched) {
  const Process started = spawn({"wait"});
  const auto record = read_supervisor_record(run_dir());
  ASSERT_TRUE(record);
  ::kill(record->supervisor.pid, SIGKILL);
  // Once the supervisor is reaped, the watch waits for the VMM.
  while (is_alive(record->supervisor) || core::process_start_time(record->supervisor.pid)) std::this_thread::yield();
  EXPECT_EQ(exited(), 1) << "it is told of as well";
  EXPECT_TRUE(service_->find(process())->alive);
  EXPECT_TRUE(service_->has_lost_supervisor(vm_, 1));
  ASSERT_TRUE(service_->kill(process(), kLimits));
  EXPECT_EQ(exited(), 1);
  const auto ended = service_->find(process());
  ASSERT_TRUE(ended);
  EXPECT_FALSE(ended->alive);
  EXPECT_EQ(ended->exit->kind, ExitKind::unknown) << "nothing recorded how it ended";
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
}

TEST_F(ProcessServiceTest, AVmmWhoseSupervisorAndFolderAreGoneIsFoundByItsMark) {
  const Process started = spawn({"wait"});
  const auto nobody = [](const std::string&) { return false; };
  auto found = service_->leftovers().find(nobody);
  ASSERT_EQ(found.size(), 1u) << "its supervisor, which takes it along";
  const auto record = read_supervisor_record(run_dir());
  ASSERT_TRUE(record);
  EXPECT_EQ(found[0].name, std::to_string(record->supervisor.pid));
  ::kill(record->supervisor.pid, SIGKILL);
  while (is_alive(record->supervisor) || core::process_start_time(record->supervisor.pid)) std::this_thread::yield();
  const std::string folder = dir_ + "/vms/" + vm_;
  std::filesystem::rename(folder, dir_ + "/aside");
  found = service_->leftovers().find(nobody);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, "process");
  EXPECT_EQ(found[0].name, std::to_string(started.pid));
  EXPECT_EQ(found[0].vm, vm_);
  EXPECT_TRUE(service_->leftovers().find([](const std::string&) { return true; }).empty()) << "a VM owns it";
  EXPECT_TRUE(is_alive({started.pid, started.start_time})) << "looking changes nothing";
  const Cgroups none = Cgroups::none();
  const VmProcesses no_processes(dir_ + "/vm/vms", none);
  const Leftovers others(dir_ + "/vm", none, no_processes);
  EXPECT_TRUE(others.find(nobody).empty()) << "another agent's are none of ours";
  found = service_->leftovers().collect(nobody);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].removed) << found[0].problem;
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
  EXPECT_TRUE(service_->leftovers().find(nobody).empty());
  std::filesystem::rename(dir_ + "/aside", folder);
  EXPECT_EQ(exited(), 1);
}

TEST_F(ProcessServiceTest, DescriptorsArriveUnderTheirNumbersAndNothingElseDoes) {
  auto args = vmm({"report", dir_ + "/report", "wait"});
  args.fd_targets = {20};
  args.env = {{"ONE", "1"}};
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const core::Fd ours(ends[0]);
  const core::Fd theirs(ends[1]);  // not close-on-exec: still only its copy under number 20 may reach the VMM
  ASSERT_TRUE(service_->spawn(args, {theirs.get()}, kLimits));
  while (!std::filesystem::exists(dir_ + "/report")) std::this_thread::yield();
  const auto report = core::read_file(dir_ + "/report");
  ASSERT_TRUE(report);
  EXPECT_NE(report->find("\nenv ONE=1\n"), std::string::npos) << *report;
  EXPECT_NE(report->find("\nfd 20 socket:"), std::string::npos) << *report;
  std::size_t fds = 0;
  for (std::size_t at = report->find("\nfd "); at != std::string::npos; at = report->find("\nfd ", at + 1)) ++fds;
  EXPECT_EQ(fds, 4u) << "0, 1, 2 and the one that was passed:\n" << *report;
}

TEST_F(ProcessServiceTest, WhatIsWrongWithASpawnIsSaidAndNothingIsMade) {
  auto args = vmm({"wait"});
  args.argv = {"qemu"};
  EXPECT_EQ(service_->spawn(args, {}, kLimits).error().code, Code::invalid_argument);
  args.argv = {};
  EXPECT_EQ(service_->spawn(args, {}, kLimits).error().code, Code::invalid_argument);
  args = vmm({"wait"});
  args.fd_targets = {20};
  EXPECT_EQ(service_->spawn(args, {}, kLimits).error().code, Code::invalid_argument);
  for (const std::vector<std::int32_t>& targets :
       {std::vector<std::int32_t>{2}, {-1}, {1024}, {20, 20}, {3, 1023, 3}}) {
    args.fd_targets = targets;
    const std::vector<int> fds(targets.size(), 0);
    EXPECT_EQ(service_->spawn(args, fds, kLimits).error().code, Code::invalid_argument) << targets.back();
  }
  EXPECT_FALSE(std::filesystem::exists(run_dir()));
}

TEST_F(ProcessServiceTest, AProgramThatIsntThereIsNamed) {
  auto args = vmm({});
  args.argv = {"/nonexistent/vmm"};
  const auto started = service_->spawn(args, {}, kLimits);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::not_found);
  EXPECT_NE(started.error().message.find("/nonexistent/vmm could not be started"), std::string::npos)
      << started.error().message;
  EXPECT_EQ(service_->find(process()).error().code, Code::not_found);
}

TEST_F(ProcessServiceTest, ASupervisorThatIsntThereIsNamed) {
  open(Cgroups::none(), "/nonexistent/supervisor");
  const auto started = service_->spawn(vmm({"wait"}), {}, kLimits);
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("/nonexistent/supervisor"), std::string::npos);
}

TEST_F(ProcessServiceTest, ASupervisorThatSaysNothingIsGivenUp) {
  open(Cgroups::none(), "/bin/true");
  EXPECT_NE(service_->spawn(vmm({"wait"}), {}, kLimits).error().message.find("without a report"), std::string::npos);
}

// It is overtaken after its first look at the limits: it is held up at another incarnation's record, a FIFO.
TEST_F(ProcessServiceTest, ASpawnThatIsOvertakenOnItsWayStartsNothing) {
  const std::string other = service_->run_dir(vm_, 2);
  const std::string record = other + "/supervisor.json";
  std::filesystem::create_directories(other);
  ASSERT_EQ(::mkfifo(record.c_str(), 0600), 0);
  const core::Fd cancel(::eventfd(0, EFD_CLOEXEC));
  auto spawning = std::async(std::launch::async, [&] {
    return service_->spawn(vmm({"wait"}), {}, {kLimits.deadline_ns, cancel.get()});
  });
  // It can be opened for writing once somebody reads it.
  core::Fd writer;
  for (const auto until = std::chrono::steady_clock::now() + kPatience;
       !writer && std::chrono::steady_clock::now() < until; std::this_thread::yield())
    writer = core::Fd(::open(record.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_TRUE(writer) << "it doesn't read that record";
  EXPECT_EQ(::eventfd_write(cancel.get(), 1), 0);
  writer.reset();
  const auto started = spawning.get();
  std::filesystem::remove_all(other);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::cancelled);
  EXPECT_TRUE(Ledger(service_->vm_dir(vm_)).owned()->empty()) << "it was about to start something";
  EXPECT_FALSE(std::filesystem::exists(run_dir() + "/supervisor.lock"));
}

TEST_F(ProcessServiceTest, WhatIsStartedIsClaimedFirst) {
  spawn({"exit", "0"});
  const auto owned = Ledger(service_->vm_dir(vm_)).owned();
  ASSERT_TRUE(owned);
  EXPECT_EQ(*owned, (std::vector<LedgerEntry>{{"process", run_dir()}}));
  ASSERT_TRUE(service_->claim({vm_, "tap", "qt0"}));
  EXPECT_EQ(Ledger(service_->vm_dir(vm_)).owned()->size(), 2u);
  ASSERT_TRUE(service_->release({vm_, "tap", "qt0"}));
  EXPECT_EQ(Ledger(service_->vm_dir(vm_)).owned()->size(), 1u);
}

}  // namespace
}  // namespace qarax::agent
