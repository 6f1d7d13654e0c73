// How processes that the service has started end, and what is left of them.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "ledger.hpp"
#include "no_descriptors.hpp"
#include "process_service_fixture.hpp"
#include "records.hpp"

namespace qarax::agent {
namespace {

// Stops a child of this process, and returns once it has stopped.
void freeze(const ProcessId& child) {
  ::kill(child.pid, SIGSTOP);
  siginfo_t stopped{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid), &stopped, WSTOPPED), 0);
}

TEST_F(ProcessServiceTest, AKillReturnsWhenNothingIsLeftAndAgainIsSuccess) {
  const Process started = spawn({"wait"});
  ASSERT_TRUE(service_->kill(process(), kLimits));
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
  EXPECT_EQ(exited(), 1);
  EXPECT_EQ(service_->find(process())->exit->signal, SIGKILL);
  EXPECT_TRUE(service_->kill(process(), kLimits));
  EXPECT_EQ(service_->signal({process(), SIGUSR1}).error().code, Code::not_found);
}

TEST_F(ProcessServiceTest, AKillBeforeTheRecordTakesTheStartBack) {
  std::filesystem::create_directories(run_dir());
  ASSERT_TRUE(service_->kill(process(), kLimits));
  EXPECT_TRUE(std::filesystem::exists(run_dir() + "/cancelled")) << "a supervisor that comes late finds this";
}

TEST_F(ProcessServiceTest, ADamagedRecordIsAnErrorAndNeverAnEnd) {
  std::filesystem::create_directories(run_dir());
  std::ofstream(run_dir() + "/supervisor.json") << "{";
  EXPECT_EQ(service_->find(process()).error().code, Code::data_loss);
  EXPECT_EQ(service_->kill(process(), kLimits).error().code, Code::data_loss);
  EXPECT_FALSE(service_->adopt(vm_, 1));
  std::filesystem::remove_all(run_dir());
}

TEST_F(ProcessServiceTest, WithoutFreeDescriptorsNothingIsCalledEnded) {
  record_ms_ = 50;
  open(Cgroups::none());
  const Process started = spawn({"wait"});
  const auto [in_vain, is_supervised] = [&] {
    const NoDescriptors none;
    return std::pair(service_->kill_all(vm_, kLimits), service_->is_supervised(vm_));
  }();
  ASSERT_FALSE(in_vain) << "it runs";
  EXPECT_EQ(in_vain.error().code, Code::resource_exhausted) << in_vain.error().message;
  EXPECT_TRUE(is_supervised) << "for all that is known";
  EXPECT_TRUE(service_->kill_all(vm_, kLimits));
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
}

TEST_F(ProcessServiceTest, ALockThatCantBeAskedForIsNoEnd) {
  std::filesystem::create_directories(run_dir());
  std::ofstream(run_dir() + "/supervisor.json") << "{";
  const std::string lock = run_dir() + "/supervisor.lock";
  std::filesystem::create_symlink("supervisor.lock", lock);
  EXPECT_TRUE(supervisor_holds_lock(run_dir())) << "for all that is known";
  EXPECT_FALSE(service_->supervised(vm_));
  const auto in_vain = service_->kill_all(vm_, kLimits);
  ASSERT_FALSE(in_vain) << "somebody may have it";
  EXPECT_NE(in_vain.error().message.find("supervisor.lock"), std::string::npos) << in_vain.error().message;
  std::filesystem::remove(lock);
  EXPECT_TRUE(service_->kill_all(vm_, kLimits)) << "nobody has it";
}

// The VMM can write to its run folder.
TEST_F(ProcessServiceTest, AVmmThatForgesItsEndIsStillThere) {
  Cgroups groups = Cgroups::detect("qarax-unit-" + std::to_string(::getpid()));
  if (!groups.available()) GTEST_SKIP() << "no control groups here";
  open(std::move(groups));
  const auto record_of_boot = [](const std::string& boot) {
    return R"({"format":1,"min_reader":1,"vmm_pid":4194304,"vmm_start_time":1,"supervisor_pid":4194304,)"
           R"("supervisor_start_time":1,"started_at":"","boot_id":")" +
           boot + "\"}";
  };
  for (const std::string how : {"ended", "ended before the boot", "never started"}) {
    const Process started = spawn({"wait"});
    std::filesystem::remove(run_dir() + "/supervisor.json");
    if (how != "never started") {
      ASSERT_TRUE(core::write_file_durably(run_dir() + "/supervisor.json",
                                           record_of_boot(how == "ended" ? core::boot_id() : "another")));
      ASSERT_TRUE(core::write_file_durably(run_dir() + "/exit.json",
                                           R"({"format":1,"min_reader":1,"kind":"exited","code":0})"));
    } else {
      std::filesystem::remove(run_dir() + "/supervisor.lock");
    }
    std::filesystem::create_directory(dir_ + "/vms/" + vm_ + "/run/999");
    const auto found = service_->find(process());
    EXPECT_EQ(found ? Code::ok : found.error().code, Code::failed_precondition) << how;
    EXPECT_TRUE(is_alive({started.pid, started.start_time})) << how;
    EXPECT_FALSE(service_->spawn(vmm({"wait"}), {}, kLimits)) << how << ": it would have the same disks";
    EXPECT_TRUE(service_->kill(process(), kLimits)) << how;
    EXPECT_FALSE(is_alive({started.pid, started.start_time})) << how;
    EXPECT_EQ(exited(), 1) << how;  // the supervisor is done with the folder
    std::filesystem::remove_all(dir_ + "/vms/" + vm_ + "/run");
  }
}

TEST_F(ProcessServiceTest, WhatNoRecordNamesIsEndedAllTheSame) {
  record_ms_ = 50;
  open(Cgroups::none());
  const std::string file = run_dir() + "/supervisor.json";
  for (const std::string how : {"damaged", "newer", "unreadable", "missing"}) {
    const Process started = spawn({"wait"});
    std::filesystem::remove(file);
    if (how == "damaged") std::ofstream(file) << "{";
    if (how == "newer") std::ofstream(file) << R"({"format":9,"min_reader":9})";
    if (how == "unreadable") std::filesystem::create_directory(file);
    const auto killed = service_->kill_all(vm_, kLimits);
    EXPECT_TRUE(killed) << how << ": " << killed.error().message;
    EXPECT_FALSE(is_alive({started.pid, started.start_time})) << how;
    EXPECT_FALSE(supervisor_holds_lock(run_dir())) << how;
    ::kill(started.pid, SIGKILL);
    std::filesystem::remove_all(run_dir());
  }
}

// Nothing else would ever end it, and no start, force-stop or delete gets past it.
TEST_F(ProcessServiceTest, ASupervisorThatHangsIsEndedWithItsVm) {
  exit_record_ms_ = 20;
  reopen();
  const Process started = spawn({"wait"});
  const auto record = read_supervisor_record(run_dir());
  ASSERT_TRUE(record);
  freeze(record->supervisor);
  EXPECT_EQ(service_->kill(process(), CallLimits{}.within_ms(20)).error().code, Code::deadline_exceeded)
      << "a plugin's kill waits for the record";
  EXPECT_TRUE(is_alive(record->supervisor));
  const auto killed = service_->kill_all(vm_, kLimits);
  EXPECT_TRUE(killed) << killed.error().message;
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
  EXPECT_FALSE(is_alive(record->supervisor));
  EXPECT_EQ(exited(), 1);
  const auto found = service_->find(process());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->exit->kind, ExitKind::unknown) << "nobody has recorded it";
}

// The disk is slow, say: the supervisor has written the record and is killed while it waits for that to be on disk.
TEST_F(ProcessServiceTest, WhatASupervisorHadBegunToRecordCountsOnceItIsGone) {
  exit_record_ms_ = 20;
  reopen();
  const Process started = spawn({"wait"});
  const auto record = read_supervisor_record(run_dir());
  ASSERT_TRUE(record);
  freeze(record->supervisor);
  ::kill(started.pid, SIGKILL);
  while (is_alive({started.pid, started.start_time})) std::this_thread::yield();
  std::string begun = R"({"format":1,"min_reader":1,"kind":"exited","code":3,"signal":0,"vmm_pid":)" +
                      std::to_string(started.pid) + R"(,"vmm_start_time":)" + std::to_string(started.start_time) +
                      R"(,"boot_id":")" + core::boot_id() + "\"}\n";
  begun.resize(1024);
  std::ofstream(run_dir() + "/exit.json.tmp") << begun;
  const auto early = service_->find(process());
  EXPECT_EQ(early ? Code::ok : early.error().code, Code::deadline_exceeded) << "the supervisor is at it";
  const auto killed = service_->kill_all(vm_, kLimits);
  EXPECT_TRUE(killed) << killed.error().message;
  EXPECT_FALSE(is_alive(record->supervisor));
  EXPECT_EQ(exited(), 1);
  const auto found = service_->find(process());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->exit->kind, ExitKind::exited);
  EXPECT_EQ(found->exit->code, 3);
}

// As in another PID namespace: the pids in the record belong to no process here, and the lock is held nevertheless.
TEST_F(ProcessServiceTest, WhoseProcessesArentSeenIsntCalledEnded) {
  const Process started = spawn({"wait"});
  std::ofstream(run_dir() + "/supervisor.json")
      << R"({"format":1,"min_reader":1,"vmm_pid":4194304,"vmm_start_time":1,"supervisor_pid":4194304,)"
      << R"("supervisor_start_time":1,"started_at":"","boot_id":")" << core::boot_id() << "\"}";
  const auto found = service_->find(process());
  EXPECT_EQ(found ? Code::ok : found.error().code, Code::failed_precondition);
  EXPECT_FALSE(service_->kill(process(), kLimits));
  EXPECT_TRUE(is_alive({started.pid, started.start_time}));
  // Here the processes can be seen, under other pids than those in the record, as from an outer PID namespace.
  EXPECT_TRUE(service_->kill_all(vm_, kLimits));
  EXPECT_FALSE(is_alive({started.pid, started.start_time}));
  ::kill(started.pid, SIGKILL);
}

TEST_F(ProcessServiceTest, CleaningUpTakesTheSocketsAndLeavesTheLogs) {
  spawn({"exit", "0"});
  EXPECT_EQ(exited(), 1);
  const core::Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = run_dir() + "/monitor.sock";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  service_->clean_up(vm_, 1);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(run_dir() + "/exit.json"));
}

TEST_F(ProcessServiceTest, WhatAVmmForkedGoesWithItsCgroup) {
  service_.reset();
  Cgroups groups = Cgroups::detect("qarax-unit-" + std::to_string(::getpid()));
  if (!groups.available()) {
    open(Cgroups::none());
    GTEST_SKIP() << "this machine lets nobody make a version 2 cgroup";
  }
  open(std::move(groups));
  spawn({"child", dir_ + "/child", "wait"});
  while (!std::filesystem::exists(dir_ + "/child") || std::filesystem::file_size(dir_ + "/child") == 0)
    std::this_thread::yield();
  const int child = std::atoi(core::read_file(dir_ + "/child")->c_str());
  ASSERT_GT(child, 0);
  ASSERT_TRUE(service_->kill_all(vm_, kLimits));
  EXPECT_FALSE(core::process_start_time(child)) << "its supervisor has reaped it";
  EXPECT_EQ(Ledger(service_->vm_dir(vm_)).owned()->size(), 2u) << "process and cgroup";
}

}  // namespace
}  // namespace qarax::agent
