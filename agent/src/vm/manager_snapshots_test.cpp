// Resize, snapshot, restore and counters, also where the agent ends in the middle.
#include <sys/stat.h>

#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(ManagerTest, AResizeIsKeptForTheNextStart) {
  run(command(Action::start, 1));
  const auto resized = run(resize(2, 3));
  ASSERT_TRUE(resized.outcome) << resized.outcome.error().message;
  EXPECT_EQ(resized.report.status.live.text, R"({"vcpus":3})");
  EXPECT_EQ(resized.report.resolved->boot_vcpus, 3);
  const auto document = VmFolder(dir_ + "/vms/" + vm_).read_document();
  ASSERT_TRUE(document);
  EXPECT_EQ(document->spec.boot_vcpus, 3);
  EXPECT_EQ(document->live.text, R"({"vcpus":3})");
  run(command(Action::stop, 3));
  EXPECT_EQ(run(resize(4, 2)).outcome.error().reason, "wrong-state") << "of an idle VM it is the server's alone";
}

TEST_F(ManagerTest, AnInterruptedResizeIsCarriedThrough) {
  run(command(Action::start, 1));
  interrupt(resize(2, 4), VmState::running);
  open();
  settled();
  EXPECT_EQ(driver_.vcpus, 4);
  EXPECT_EQ(VmFolder(dir_ + "/vms/" + vm_).read_document()->spec.boot_vcpus, 4);
  EXPECT_TRUE(run(resize(2, 4)).outcome);
}

TEST_F(ManagerTest, ASnapshotIsTakenRestoredAndDropped) {
  run(command(Action::start, 1));
  driver_.snapshot_leaves = VmState::paused;
  const auto taken = run(snapshot(2));
  ASSERT_TRUE(taken.outcome) << taken.outcome.error().message;
  EXPECT_EQ(taken.report.status.state, VmState::running) << "as it was before";
  EXPECT_EQ(driver_.resumes, 1);
  const auto manifest = SnapshotFolder(dir_ + "/vms/" + vm_).read(snapshot_);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->size, 6);
  EXPECT_EQ(manifest->name, "before");
  EXPECT_EQ(manifest->hypervisor, "fake");
  EXPECT_EQ(run(restore(3)).outcome.error().reason, "wrong-state") << "it runs";
  run(resize(4, 2));
  run(command(Action::stop, 5));
  const auto restored = run(restore(6));
  ASSERT_TRUE(restored.outcome) << restored.outcome.error().message;
  EXPECT_EQ(restored.report.status.state, VmState::running);
  EXPECT_EQ(restored.report.incarnation, 6);
  EXPECT_EQ(driver_.restored, "memory");
  EXPECT_EQ(driver_.vcpus, 1) << "the snapshot's size, not the one since";
  EXPECT_TRUE(run(snapshot(7, Action::drop_snapshot)).outcome);
  EXPECT_TRUE(run(snapshot(8, Action::drop_snapshot)).outcome) << "a second time";
  run(command(Action::stop, 9));
  EXPECT_EQ(run(restore(10)).outcome.error().reason, "snapshot-not-found");
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
}

TEST_F(ManagerTest, WholeSnapshotsAreToldOfForAnAdopt) {
  run(command(Action::start, 1));
  EXPECT_TRUE(manager_->kept({}).at(0).snapshots.empty());
  ASSERT_TRUE(run(snapshot(2)).outcome);
  ASSERT_TRUE(run(resize(3, 2)).outcome);
  std::filesystem::create_directories(snapshots() + "/.new-" + core::new_uuid());
  const std::string damaged = snapshots() + "/" + core::new_uuid();
  std::filesystem::create_directories(damaged);
  ASSERT_TRUE(core::write_file_durably(damaged + "/manifest.json", "{"));
  const auto kept = manager_->kept({});
  ASSERT_EQ(kept.at(0).snapshots.size(), 1u) << "neither a half one nor a damaged one";
  const core::KeptSnapshot& one = kept[0].snapshots[0];
  EXPECT_EQ(one.id, snapshot_);
  EXPECT_EQ(one.name, "before");
  EXPECT_EQ(one.hypervisor, "fake");
  EXPECT_EQ(one.size, 6);
  EXPECT_FALSE(one.created_at.empty());
  EXPECT_EQ(one.spec.boot_vcpus, 1) << "as it was then";
  EXPECT_EQ(one.resolved.memory_hugepage_size, 4096);
  EXPECT_EQ(kept[0].spec.boot_vcpus, 2);
}

TEST_F(ManagerTest, ASnapshotThatFailsLeavesNothingAndTheVmAsItWas) {
  run(command(Action::start, 1));
  driver_.fail_snapshot = true;
  driver_.inspected = VmState::paused;
  const auto failed = run(snapshot(2));
  EXPECT_EQ(failed.outcome.error().code, Code::internal);
  EXPECT_EQ(driver_.resumes, 1) << "it ran before";
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  driver_.snapshot_words = "QEMU couldn't write the snapshot: Unable to write to file: No space left on device";
  const auto no_room = run(snapshot(3));
  EXPECT_EQ(no_room.outcome.error().reason, "disk-full") << "also where there is room again by now";
  EXPECT_EQ(no_room.outcome.error().code, Code::resource_exhausted);
  driver_.full_disk = true;
  EXPECT_EQ(run(snapshot(4)).outcome.error().reason, "disk-full");
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  driver_.fail_snapshot = false;
  EXPECT_TRUE(run(snapshot(5)).outcome);
}

TEST_F(ManagerTest, AVmThatStaysPausedAfterASnapshotThatFailedIsToldToBeResumed) {
  run(command(Action::start, 1));
  driver_.fail_snapshot = true;
  driver_.inspected = VmState::paused;
  std::string said = run(snapshot(2)).outcome.error().message;
  EXPECT_EQ(said.find("left paused"), std::string::npos) << "it was resumed: " << said;
  ASSERT_TRUE(run(command(Action::resume, 3)).outcome);
  driver_.fail_resume = true;
  said = run(snapshot(4)).outcome.error().message;
  EXPECT_NE(said.find("left paused, as it could not be resumed: no luck; resume it"), std::string::npos) << said;
}

TEST_F(ManagerTest, AWholeSnapshotAfterWhichTheVmCantGoOnIsThereAndTheVmPaused) {
  run(command(Action::start, 1));
  driver_.snapshot_leaves = driver_.inspected = VmState::paused;
  driver_.fail_resume = true;
  const auto taken = run(snapshot(2));
  ASSERT_TRUE(taken.outcome) << taken.outcome.error().message;
  ASSERT_TRUE(taken.report.snapshot);
  EXPECT_EQ(taken.report.snapshot->id, snapshot_);
  EXPECT_EQ(taken.report.status.state, VmState::paused);
  EXPECT_NE(taken.report.status.status_reason.find("could not go on: no luck"), std::string::npos)
      << taken.report.status.status_reason;
  run(command(Action::stop, 3));
  EXPECT_TRUE(run(restore(4)).outcome);
}

TEST_F(ManagerTest, AVmThatEndsAfterItsSnapshotIsCleanedUpAndItsEndKept) {
  run(command(Action::start, 1));
  const std::string run_dir = processes_->run_dir(vm_, 1);
  std::filesystem::create_directories(run_dir);
  ASSERT_EQ(::mknod((run_dir + "/qmp").c_str(), S_IFSOCK | 0600, 0), 0);
  driver_.snapshot_leaves = VmState::paused;
  driver_.fail_resume = true;
  driver_.inspected = VmState::shutdown;
  const auto taken = run(snapshot(2));
  ASSERT_TRUE(taken.outcome) << taken.outcome.error().message;
  EXPECT_EQ(taken.report.status.state, VmState::shutdown);
  EXPECT_FALSE(std::filesystem::exists(run_dir + "/qmp"));
  close();
  const auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(journal->records().back().kind, RecordKind::exit);
}

TEST_F(ManagerTest, AnInterruptedSnapshotIsUndoneAndTheVmGoesOn) {
  run(command(Action::start, 1));
  interrupt(snapshot(2), VmState::running);
  std::filesystem::create_directories(snapshots() + "/.new-" + snapshot_);
  driver_.recovered = VmState::paused;
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown) << "what the fake's inspect says";
  EXPECT_EQ(driver_.resumes, 1);
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  EXPECT_EQ(run(snapshot(2)).outcome.error().code, Code::aborted);
}

TEST_F(ManagerTest, AGuestThatCantBeResumedYetAfterAnInterruptedSnapshotIsResumedLater) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  interrupt(snapshot(2), VmState::running);
  driver_.recovered = VmState::paused;
  driver_.busy_resumes = 1;
  open();
  const auto report =
      told([](const core::VmReport& one) { return one.status.status_reason.find("recovering") == std::string::npos; });
  EXPECT_EQ(report.status.state, VmState::running);
  EXPECT_EQ(driver_.resumes, 2);
  EXPECT_EQ(run(snapshot(2)).outcome.error().reason, "interrupted");
}

TEST_F(ManagerTest, ASnapshotThatWasWholeWhenTheAgentEndedIsThere) {
  run(command(Action::start, 1));
  run(snapshot(2));
  interrupt(snapshot(3), VmState::running);
  open();
  settled();
  EXPECT_TRUE(run(snapshot(3)).outcome);
  EXPECT_EQ(driver_.resumes, 0);
}

TEST_F(ManagerTest, AHalfRestoredVmIsEnded) {
  run(command(Action::start, 1));
  run(snapshot(2));
  run(command(Action::stop, 3));
  interrupt(restore(4), VmState::shutdown);
  driver_.recovered = VmState::paused;
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_NE(report.status.status_reason.find("restore was interrupted"), std::string::npos);
  EXPECT_EQ(run(restore(4)).outcome.error().code, Code::aborted);
  EXPECT_TRUE(run(restore(5)).outcome);
}

TEST_F(ManagerTest, ThePluginsProgressIsToldWhileItsCallLasts) {
  std::vector<core::CommandProgress> told;
  manager_->on_progress([&](const core::CommandProgress& progress) { told.push_back(progress); });
  run(command(Action::start, 1));
  run(snapshot(2));
  manager_->on_progress(nullptr);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].vm, vm_);
  EXPECT_EQ(told[0].revision, 2);
  EXPECT_EQ(told[0].step, "memory");
  EXPECT_EQ(told[0].done, 3);
  EXPECT_EQ(told[0].total, 4);
  EXPECT_TRUE(manager_->progress().empty()) << "the call has ended";
}

TEST_F(ManagerTest, CountersAreOfWhatRuns) {
  EXPECT_EQ(manager_->counters(vm_, 0).error().reason, "vm-not-found");
  run(command(Action::start, 1));
  EXPECT_EQ(manager_->counters(vm_, 0)->counters.at(0).value, 7);
  run(command(Action::stop, 2));
  EXPECT_EQ(manager_->counters(vm_, 0).error().reason, "wrong-state");
}

TEST_F(ManagerTest, AVmWhosePluginHangsInTwoQuestionsIsntAskedAboutAgain) {
  run(command(Action::start, 1));
  driver_.inspected = VmState::running;
  const int before = driver_.inspects;
  driver_.deaf_inspect = true;
  const auto ask = [this] { return manager_->inspect(vm_, 1).status.state; };  // the deadline has passed
  auto first = std::async(std::launch::async, ask);
  auto second = std::async(std::launch::async, ask);
  while (driver_.inspects < before + 2) std::this_thread::yield();
  EXPECT_EQ(ask(), VmState::running) << "the last report";
  EXPECT_EQ(manager_->counters(vm_, 0).error().reason, "plugin-hangs");
  EXPECT_EQ(driver_.inspects, before + 2);
  driver_.release();
  first.wait();
  second.wait();
  EXPECT_TRUE(manager_->counters(vm_, 0));
}

TEST_F(ManagerTest, ADeleteTakesTheSnapshotsAlong) {
  run(command(Action::start, 1));
  run(snapshot(2));
  EXPECT_TRUE(run(command(Action::remove, 3)).report.deleted);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vms"));
}

}  // namespace
}  // namespace qarax::agent
