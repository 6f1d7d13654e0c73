// Commands for VMs that this node doesn't have or no longer has: deleted, being deleted, or without their folder.
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "manager_fixture.hpp"
#include "vm_processes.hpp"

namespace qarax::agent {
namespace {

// A process that carries a VM's mark in its environment, like its VMM.
class Stray {
 public:
  explicit Stray(const std::string& folder) {
    std::string program = "/bin/sleep";
    std::string seconds = "1000";
    std::string mark = std::string(kVmMark) + "=" + folder;
    char* argv[] = {program.data(), seconds.data(), nullptr};
    char* env[] = {mark.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv, env), 0);
    // posix_spawn returns a moment before the new program's environment is visible.
    const std::string shown = "/proc/" + std::to_string(pid_) + "/environ";
    for (auto text = core::read_file(shown); !text || text->find(mark) == std::string::npos;
         text = core::read_file(shown))
      std::this_thread::yield();
  }
  ~Stray() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Stray(const Stray&) = delete;
  Stray& operator=(const Stray&) = delete;
  // True only once, because it reaps the process.
  bool was_killed() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    pid_ = 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(ManagerTest, AStartBehindADeleteDoesNotBringTheVmBack) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  auto removed = begin(command(Action::remove, 2));
  auto later = begin(command(Action::remove, 3));
  auto late = begin(command(Action::start, 4));
  driver_.release();
  EXPECT_TRUE(removed.get().report.deleted);
  EXPECT_EQ(late.get().outcome.error().reason, "stale-revision");
  EXPECT_TRUE(later.get().report.deleted);
  EXPECT_EQ(run(command(Action::start, 5)).outcome.error().reason, "stale-revision");
  manager_.reset();  // waits for the rest of the strand's work
  EXPECT_EQ(driver_.starts, 1);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vms"));
}

TEST_F(ManagerTest, WhatAnEndedVmsCallStillMakesGoesTheSameWay) {
  std::unique_ptr<Stray> vmm;
  for (const Action action : {Action::remove, Action::force_stop}) {
    for (const bool throws : {false, true}) {
      vm_ = core::new_uuid();
      driver_.late = [&] {
        vmm = std::make_unique<Stray>(dir_ + "/vms/" + vm_);
        if (throws) throw std::runtime_error("out of luck");
      };
      driver_.deaf_start = true;
      driver_.starts = 0;
      auto hung = begin(command(Action::start, 1));
      while (driver_.starts == 0) std::this_thread::yield();
      const core::VmReport ended = run(command(action, 2)).report;
      EXPECT_TRUE(action == Action::remove ? ended.deleted : ended.status.state == VmState::shutdown);
      driver_.release();
      close();  // waits for the rest of the strand's work
      ASSERT_TRUE(vmm);
      EXPECT_TRUE(vmm->was_killed()) << core::to_string(action) << throws;
      EXPECT_EQ(std::filesystem::exists(dir_ + "/vms/" + vm_), action != Action::remove);
      open();
    }
  }
}

// The last step of the delete fails: its caller is told, and neither this agent nor the next one takes it for done.
TEST_F(ManagerTest, ADeleteWhoseFolderCantBeMovedHasFailedAndTheNextAgentKnows) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  const std::string folder = dir_ + "/vms/" + vm_;
  if (::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "a mount point, whose rename fails, wants root: " << std::strerror(errno);
  const auto failed = run(command(Action::remove, 3));
  EXPECT_FALSE(failed.outcome);
  EXPECT_FALSE(failed.report.deleted);
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(run(command(Action::remove, 3)).outcome.error().code, failed.outcome.error().code) << "the stored result";
  ASSERT_EQ(::umount2(folder.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(run(command(Action::remove, 4)).report.deleted);
}

TEST_F(ManagerTest, ADeleteThatTheNextAgentCantFinishEitherIsNoSuccess) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  interrupt(command(Action::remove, 3), VmState::shutdown);
  const std::string folder = dir_ + "/vms/" + vm_;
  if (::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "a mount point, whose rename fails, wants root: " << std::strerror(errno);
  driver_.recovered = VmState::shutdown;  // the state that a delete leads to, which isn't enough to call it deleted
  open();
  EXPECT_FALSE(settled().deleted);
  EXPECT_EQ(run(command(Action::remove, 3)).outcome.error().reason, "interrupted");
  ASSERT_EQ(::umount2(folder.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(run(command(Action::remove, 4)).report.deleted);
}

TEST_F(ManagerTest, ADeleteOfAVmWhoseFolderIsGoneEndsWhatRunsOfIt) {
  Stray vmm(dir_ + "/vms/" + vm_);
  Stray of_another(dir_ + "/vms/" + core::new_uuid());
  const auto deleted = run(command(Action::remove, 2));
  EXPECT_TRUE(deleted.outcome) << deleted.outcome.error().message;
  EXPECT_TRUE(deleted.report.deleted);
  EXPECT_TRUE(vmm.was_killed());
  EXPECT_FALSE(of_another.was_killed());
  EXPECT_EQ(run(command(Action::start, 3)).outcome.error().reason, "stale-revision");
}

TEST_F(ManagerTest, AForceStopOfAVmWhoseFolderIsGoneEndsItAndItCanStartAgain) {
  Stray vmm(dir_ + "/vms/" + vm_);
  last_start_ = 3;
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().reason, "vm-not-found");
  const auto stopped = run(command(Action::force_stop, 3));
  EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
  EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
  EXPECT_EQ(stopped.report.incarnation, 3) << "the one that the server means";
  EXPECT_FALSE(stopped.report.missing);
  EXPECT_TRUE(vmm.was_killed());
  EXPECT_TRUE(run(command(Action::start, 4)).outcome);
}

// The folder is there but knows nothing of what runs: it was emptied, or put back from a copy made before that start.
TEST_F(ManagerTest, AVmWhoseFolderIsOlderThanWhatRunsOfItIsEndedAllTheSame) {
  for (const Action action : {Action::force_stop, Action::remove}) {
    for (const bool emptied : {true, false}) {
      vm_ = core::new_uuid();
      run(command(Action::start, 1));
      run(command(Action::force_stop, 2));
      close();
      const std::string folder = dir_ + "/vms/" + vm_;
      if (emptied) {
        std::filesystem::remove_all(folder);
        std::filesystem::create_directory(folder);
      }
      open();
      Stray vmm(folder);
      last_start_ = 3;
      const auto ended = run(command(action, 4));
      EXPECT_TRUE(ended.outcome) << ended.outcome.error().message;
      EXPECT_TRUE(vmm.was_killed()) << core::to_string(action) << (emptied ? ", emptied" : ", older");
    }
  }
}

TEST_F(ManagerTest, WhatEndsAVmWithAnOlderFolderIsCarriedThroughByTheNextAgent) {
  for (const Action action : {Action::force_stop, Action::remove}) {
    vm_ = core::new_uuid();
    run(command(Action::start, 1));
    run(command(Action::force_stop, 2));
    last_start_ = 3;
    interrupt(command(action, 4), VmState::unknown);
    Stray vmm(dir_ + "/vms/" + vm_);
    driver_.recovered = VmState::shutdown;  // of the start that the folder knows
    open();
    if (action == Action::remove)
      while (std::filesystem::exists(dir_ + "/vms/" + vm_)) std::this_thread::yield();
    else
      settled();
    EXPECT_TRUE(vmm.was_killed()) << core::to_string(action);
  }
}

TEST_F(ManagerTest, AStopOfAVmThatHasLostItsFolderUnderTheAgentEndsIt) {
  run(command(Action::start, 1));
  const std::string folder = dir_ + "/vms/" + vm_;
  std::filesystem::remove_all(folder);
  Stray vmm(folder);
  run(command(Action::stop, 2));
  EXPECT_TRUE(vmm.was_killed());
}

TEST_F(ManagerTest, WhatTheServerHasIsNoLeftover) {
  Stray vmm(dir_ + "/vms/" + vm_);
  EXPECT_TRUE(manager_->leftovers(true, {vm_}).empty());
  EXPECT_FALSE(vmm.was_killed());
  EXPECT_EQ(manager_->leftovers(true, {}).size(), 1u);
  EXPECT_TRUE(vmm.was_killed());
}

// The caller of the delete was told that it failed, and may have done other things with the VM since.
TEST_F(ManagerTest, ADeleteThatFailedIsNotFinishedByTheNextAgent) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  manager_.reset();
  {
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    JournalRecord record;
    record.kind = RecordKind::intent;
    record.step = 1;
    record.revision = 3;
    record.action = core::to_string(Action::remove);
    ASSERT_TRUE(journal->append(record, Outlives::agent));
    VmStatus idle;
    idle.state = VmState::shutdown;
    record.kind = RecordKind::result;
    record.status.text = encode(idle);
    record.error.text = encode(make_error(Code::internal, "no luck"));
    ASSERT_TRUE(journal->append(record, Outlives::agent));
    record.revision = 4;  // as for a refused command or one without effect: a result without an intent
    record.action = core::to_string(Action::stop);
    record.error.text = "null";
    ASSERT_TRUE(journal->append(record, Outlives::agent));
  }
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_FALSE(settled().missing);
  EXPECT_TRUE(run(command(Action::start, 5)).outcome);
}

TEST_F(ManagerTest, TheRevisionOfWhatChangedNothingOrWasRefusedIsKept) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  EXPECT_TRUE(run(command(Action::force_stop, 4)).outcome);
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(run(command(Action::start, 3)).outcome.error().reason, "stale-revision");
  EXPECT_EQ(run(command(Action::pause, 6)).outcome.error().code, Code::failed_precondition);
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(run(command(Action::start, 5)).outcome.error().reason, "stale-revision");
  EXPECT_TRUE(run(command(Action::start, 7)).outcome);
}

}  // namespace
}  // namespace qarax::agent
