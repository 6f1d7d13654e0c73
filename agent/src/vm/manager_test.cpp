// The manager's rules: order, revisions, hung calls, cancels, reports.
#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(ManagerTest, AChangedMachineKeepsWhatIsFrozenAndFreezesWhatIsNew) {
  const auto first = start(1, R"({"name":"web","hypervisor":"fake","spec":{}})");
  ASSERT_TRUE(first.outcome) << first.outcome.error().message;
  EXPECT_EQ(first.report.resolved->memory_hugepage_size, 4096);
  run(command(Action::force_stop, 2));
  driver_.frozen_as = 8192;  // the node's new default
  const auto same = start(3, R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{"memory_hugepage_size":4096,)"
                             R"("boot_vcpus":2},"resolve":true})");
  EXPECT_EQ(same.report.resolved->memory_hugepage_size, 4096);
  EXPECT_EQ(same.report.resolved->boot_vcpus, 2);
  run(command(Action::force_stop, 4));
  const auto fresh = start(5, R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{},"resolve":true})");
  EXPECT_EQ(fresh.report.resolved->memory_hugepage_size, 8192);
  EXPECT_TRUE(driver_.resolves_purely) << "no start may keep a handle, or report progress, while it is resolved";
}

TEST_F(ManagerTest, WhatIsOnlyResolvedPreparesNoBootFiles) {
  ASSERT_TRUE(manager_->resolve(R"({"name":"web","hypervisor":"fake","spec":{}})", 0));
  EXPECT_EQ(driver_.prepared, 0);
  run(command(Action::start, 1));
  EXPECT_EQ(driver_.prepared, 1);
}

TEST_F(ManagerTest, WhatNeverBootedIsNoVmsForGood) {
  const std::string wrong = dir_ + "/wrong";
  const std::string right = dir_ + "/right";
  for (const std::string& path : {wrong, right}) std::ofstream(path) << "kernel";
  driver_.kernel = wrong;
  driver_.fail_start = true;
  const auto failed = run(command(Action::start, 1));
  EXPECT_EQ(failed.outcome.error().code, Code::internal);
  EXPECT_EQ(failed.report.status.status_reason, "its last start failed: no luck") << "for who asks later";
  driver_.fail_start = false;
  driver_.kernel = right;
  const auto started = run(command(Action::start, 2));
  EXPECT_TRUE(started.outcome);
  EXPECT_EQ(started.report.status.status_reason, "");
  EXPECT_EQ(driver_.booted, right);
  run(command(Action::force_stop, 3));
  driver_.kernel = wrong;
  driver_.fail_start = true;
  run(command(Action::start, 4));
  driver_.fail_start = false;
  run(command(Action::start, 5));
  EXPECT_EQ(driver_.booted, right) << "a start that failed later changes nothing of it";
}

TEST_F(ManagerTest, AFirstStartThatFailsFreezesNoMachine) {
  const auto on_disk = [&] { return VmFolder(dir_ + "/vms/" + vm_).read_document()->resolved; };
  driver_.fail_start = true;
  for (const std::int64_t revision : {1, 2}) {
    const auto failed = run(command(Action::start, revision));
    EXPECT_FALSE(failed.outcome);
    EXPECT_FALSE(failed.report.resolved) << "its server would freeze it";
    EXPECT_FALSE(on_disk());
  }
  const std::string frozen = R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{"boot_vcpus":2}})";
  EXPECT_TRUE(start(3, frozen).report.resolved) << "what its server has frozen already stays";
  driver_.fail_start = false;
  EXPECT_TRUE(run(command(Action::start, 4)).report.resolved);
  EXPECT_TRUE(on_disk());
}

TEST_F(ManagerTest, AVmBootsWhatItBootedFirstUntilItsMachineIsChanged) {
  const std::string old_kernel = dir_ + "/old-kernel";
  const std::string new_kernel = dir_ + "/new-kernel";
  for (const std::string& path : {old_kernel, new_kernel}) std::ofstream(path) << "kernel";
  driver_.kernel = old_kernel;
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  driver_.kernel = new_kernel;
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  ASSERT_TRUE(run(command(Action::start, 3)).outcome);
  EXPECT_EQ(driver_.booted, old_kernel) << "the node's default is another one now";
  run(command(Action::force_stop, 4));
  start(5, R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{},"resolve":true})");
  EXPECT_EQ(driver_.booted, new_kernel);
  run(command(Action::force_stop, 6));
  std::filesystem::remove(new_kernel);
  driver_.kernel = old_kernel;
  run(command(Action::start, 7));
  EXPECT_EQ(driver_.booted, old_kernel) << "what it booted isn't there any more";
}

// The data folder moves by `mv` and a changed config, or by `rehome --moved`: its images are the same files under
// another path.
TEST_F(ManagerTest, AVmBootsWhatItBootedFirstAlsoWhereTheDataFolderWasMoved) {
  const std::string before = dir_ + "/before/images";
  for (const std::string& folder : {before, dir_ + "/images"}) std::filesystem::create_directories(folder);
  std::ofstream(before + "/digest") << "kernel";
  std::ofstream(dir_ + "/images/default") << "another kernel";
  driver_.kernel = before + "/digest";
  run(command(Action::start, 1));
  ASSERT_TRUE(run(snapshot(2)).outcome);
  run(command(Action::force_stop, 3));
  driver_.kernel = dir_ + "/images/default";
  std::filesystem::rename(before + "/digest", dir_ + "/images/digest");
  ASSERT_TRUE(run(command(Action::start, 4)).outcome);
  EXPECT_EQ(driver_.booted, dir_ + "/images/digest");
  run(command(Action::force_stop, 5));
  const auto restored = run(restore(6));
  ASSERT_TRUE(restored.outcome) << restored.outcome.error().message;
  EXPECT_EQ(VmFolder(dir_ + "/vms/" + vm_).read_document()->boot.kernel, dir_ + "/images/digest");
}

TEST_F(ManagerTest, ARepeatedStepGetsItsStoredResultAndRunsOnce) {
  EXPECT_TRUE(run(command(Action::start, 1)).outcome);
  const auto again = run(command(Action::start, 1));
  EXPECT_TRUE(again.outcome);
  EXPECT_EQ(again.report.status.state, VmState::running);
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(ManagerTest, ALatePauseAfterAResumeIsRefused) {
  run(command(Action::start, 1));
  EXPECT_TRUE(run(command(Action::pause, 2)).outcome);
  EXPECT_TRUE(run(command(Action::resume, 3)).outcome);
  const auto late = run(command(Action::pause, 2));
  EXPECT_EQ(late.outcome.error().reason, "stale-revision");
  EXPECT_EQ(late.report.status.state, VmState::running);
}

TEST_F(ManagerTest, AFailedStartSaysWhyAndCanBeTriedAgain) {
  driver_.fail_start = true;
  const auto failed = run(command(Action::start, 1));
  EXPECT_EQ(failed.outcome.error().code, Code::internal);
  EXPECT_EQ(failed.report.status.state, VmState::shutdown);
  driver_.fail_start = false;
  EXPECT_TRUE(run(command(Action::start, 2)).outcome);
}

TEST_F(ManagerTest, ACancelNamesTheRevisionAndReachesWhoeverAskedForIt) {
  driver_.hang_start = true;
  auto first = begin(command(Action::start, 3));
  auto again = begin(command(Action::start, 3));
  while (driver_.starts == 0) std::this_thread::yield();
  EXPECT_FALSE(manager_->cancel(vm_, 2)) << "an earlier job's cancel that comes late";
  EXPECT_FALSE(manager_->cancel(vm_, 4));
  EXPECT_FALSE(manager_->cancel(core::new_uuid(), 3));
  EXPECT_TRUE(manager_->cancel(vm_, 3));
  EXPECT_EQ(first.get().outcome.error().code, Code::cancelled);
  EXPECT_EQ(again.get().outcome.error().code, Code::cancelled);
  EXPECT_EQ(run(command(Action::start, 3)).outcome.error().code, Code::cancelled) << "its stored result";
  EXPECT_EQ(driver_.starts, 1);
  EXPECT_FALSE(manager_->cancel(vm_, 3)) << "it has ended";
}

TEST_F(ManagerTest, WhoJoinedACommandCanCancelItToo) {
  driver_.hang_start = true;
  auto first = begin(command(Action::start, 1));
  std::promise<CommandResult> joined;
  const auto ticket =
      manager_->execute(command(Action::start, 1), [&](CommandResult result) { joined.set_value(std::move(result)); });
  ticket->cancel();
  EXPECT_EQ(joined.get_future().get().outcome.error().code, Code::cancelled);
  EXPECT_EQ(first.get().outcome.error().code, Code::cancelled);
}

TEST_F(ManagerTest, ForceStopOvertakesAHungStart) {
  driver_.hang_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  const auto stopped = run(command(Action::force_stop, 2));
  EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
  EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
  EXPECT_EQ(hung.get().outcome.error().code, Code::cancelled);
}

// The pause fails and hangs in the inspect() that follows. The force-stop that overtakes it must not affect later
// commands.
TEST_F(ManagerTest, WhatWasOvertakenDoesNotFailTheNextStart) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.deaf_inspect = true;
  auto hung = begin(command(Action::pause, 2));
  while (driver_.inspects == 0) std::this_thread::yield();
  EXPECT_TRUE(run(command(Action::force_stop, 3)).outcome);
  driver_.release();
  EXPECT_FALSE(hung.get().outcome);
  const auto started = run(command(Action::start, 4));
  EXPECT_TRUE(started.outcome) << started.outcome.error().message;
  EXPECT_EQ(started.report.status.state, VmState::running);
}

TEST_F(ManagerTest, ATaskThatThrowsEndsItsCommandAndNotTheStrand) {
  run(command(Action::start, 1));
  driver_.throw_pause = true;
  const auto broken = run(command(Action::pause, 2));
  EXPECT_EQ(broken.outcome.error().code, Code::internal);
  EXPECT_NE(broken.outcome.error().message.find("out of luck"), std::string::npos) << broken.outcome.error().message;
  EXPECT_EQ(broken.report.status.state, VmState::unknown);
  EXPECT_TRUE(run(command(Action::force_stop, 3)).outcome);
  EXPECT_TRUE(run(command(Action::start, 4)).outcome);
  driver_.throw_number = true;
  EXPECT_EQ(run(command(Action::pause, 5)).outcome.error().code, Code::internal);
  EXPECT_TRUE(run(command(Action::force_stop, 6)).outcome);
}

TEST_F(ManagerTest, PastDeadlineAndGraceTheCallerIsAnsweredAndTheVmUnknown) {
  driver_.hang_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 50'000'000;
  const auto late = run(slow);
  EXPECT_EQ(late.outcome.error().code, Code::deadline_exceeded);
  EXPECT_EQ(late.report.status.state, VmState::unknown);
  run(command(Action::force_stop, 2));
}

TEST_F(ManagerTest, WhoAsksAgainForWhatHangsIsAnsweredEachTime) {
  driver_.deaf_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  EXPECT_EQ(run(slow).outcome.error().reason, "still-running");
  for (int i = 0; i < 3; ++i) {
    const auto again = run(command(Action::start, 1));
    EXPECT_EQ(again.outcome.error().reason, "still-running");
    EXPECT_EQ(again.report.status.state, VmState::unknown);
  }
}

TEST_F(ManagerTest, WhatFailsLateDoesNotStayUnknown) {
  driver_.deaf_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  EXPECT_EQ(run(slow).report.status.state, VmState::unknown);
  std::promise<VmState> last;
  std::atomic<bool> told{false};
  std::uint64_t id = 0;
  manager_->subscribe(
      [&](const core::VmReport& report) {
        if (!told.exchange(true)) last.set_value(report.status.state);
      },
      id);
  while (driver_.starts == 0) std::this_thread::yield();
  driver_.release();
  EXPECT_EQ(last.get_future().get(), VmState::shutdown);
  manager_->unsubscribe(id);
  EXPECT_TRUE(run(command(Action::start, 2)).outcome);
}

TEST_F(ManagerTest, AFailedPauseTellsWhatIsTrueNow) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.inspected = VmState::running;
  const auto failed = run(command(Action::pause, 2));
  EXPECT_EQ(failed.outcome.error().code, Code::internal);
  EXPECT_EQ(failed.report.status.state, VmState::running);
}

TEST_F(ManagerTest, APauseThatLeavesTheVmRunningIsNone) {
  run(command(Action::start, 1));
  driver_.paused_as = VmState::running;
  driver_.inspected = VmState::running;
  const auto failed = run(command(Action::pause, 2));
  EXPECT_EQ(failed.outcome.error().reason, "vmm-failed") << failed.outcome.error().message;
  EXPECT_EQ(failed.report.status.state, VmState::running);
}

TEST_F(ManagerTest, ADeleteDoesNotWaitForACallThatNeverReturns) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  const auto deleted = run(command(Action::remove, 2));
  EXPECT_TRUE(deleted.outcome) << deleted.outcome.error().message;
  EXPECT_TRUE(deleted.report.deleted);
  EXPECT_EQ(hung.get().outcome.error().reason, "vm-not-found");
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  driver_.release();
  EXPECT_EQ(run(command(Action::start, 1)).outcome.error().reason, "stale-revision");
  manager_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vms"));
}

TEST_F(ManagerTest, AHungCallKeepsTheEndOfTheAgentNoLongerThanItsGrace) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  manager_->shutdown(10);
  EXPECT_EQ(hung.get().outcome.error().reason, "node-unreachable");
}

TEST_F(ManagerTest, AStartThatWaitsForItsTurnKeepsNoThreadAndCanBeEnded) {
  driver_.deaf_start = true;
  auto booting = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  // More starts than there are threads: all of them wait for the one slot.
  constexpr int kStarts = 3 * kThreads;
  std::vector<std::future<CommandResult>> waiting;
  std::vector<std::string> vms;
  for (int i = 0; i < kStarts; ++i) {
    vm_ = vms.emplace_back(core::new_uuid());
    waiting.push_back(begin(command(Action::start, 1)));
  }
  vm_ = vms.front();
  EXPECT_TRUE(run(command(Action::force_stop, 2)).outcome);
  EXPECT_EQ(waiting.front().get().outcome.error().code, Code::cancelled);
  driver_.release();
  EXPECT_EQ(booting.get().outcome.error().code, Code::internal);
  for (std::size_t i = 1; i < waiting.size(); ++i) EXPECT_TRUE(waiting[i].get().outcome);
  EXPECT_EQ(driver_.starts, kStarts) << "of all but one, and the first";
}

TEST_F(ManagerTest, AStartThatWaitedInVainForItsTurnSaysSo) {
  grace_ms_ = 60'000;
  open();
  driver_.deaf_start = true;
  auto booting = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  vm_ = core::new_uuid();
  auto waiting = command(Action::start, 1);
  waiting.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  const auto in_vain = run(waiting);
  EXPECT_EQ(in_vain.outcome.error().reason, "boot-queue-full") << in_vain.outcome.error().message;
  EXPECT_EQ(in_vain.report.status.state, VmState::shutdown);
  driver_.release();
  booting.get();
}

TEST_F(ManagerTest, ReportsCountUpWithoutGapOrDuplicate) {
  std::vector<std::int64_t> seen;
  std::promise<void> all;  // listeners hear of a command's end after its caller does
  std::uint64_t id = 0;
  auto snapshot = manager_->subscribe(
      [&](const core::VmReport& report) {
        seen.push_back(report.seq);
        if (report.revision == 3) all.set_value();
      },
      id);
  EXPECT_TRUE(snapshot.empty());
  run(command(Action::start, 1));
  run(command(Action::pause, 2));
  run(command(Action::resume, 3));
  all.get_future().wait();
  manager_->unsubscribe(id);
  ASSERT_EQ(seen.size(), 3u);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], seen[i - 1] + 1);
}

TEST_F(ManagerTest, WhoSubscribesBetweenAnAnswerAndItsReportHearsItOnce) {
  run(command(Action::start, 1));
  std::vector<std::int64_t> heard;
  std::uint64_t id = 0;
  // On the strand's own thread: after the answer, and before the listeners are told.
  std::promise<void> subscribed;
  manager_->execute(command(Action::pause, 2), [&](const CommandResult& result) {
    for (const auto& report : manager_->subscribe([&](const core::VmReport& r) { heard.push_back(r.seq); }, id))
      heard.push_back(report.seq);
    EXPECT_EQ(heard, std::vector<std::int64_t>{result.report.seq});
    subscribed.set_value();
  });
  subscribed.get_future().wait();
  const auto next = run(command(Action::resume, 3));
  manager_->shutdown(10'000);
  manager_.reset();  // waits until everything has been announced
  EXPECT_EQ(heard, (std::vector<std::int64_t>{next.report.seq - 1, next.report.seq}));
}

}  // namespace
}  // namespace qarax::agent
