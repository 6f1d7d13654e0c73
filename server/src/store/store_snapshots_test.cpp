// Sizes and snapshots in the store, on a real SQLite file and a real PostgreSQL.
#include <gtest/gtest.h>

#include "qarax/core/ids.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

using core::Action;

class StoreChanges : public StoreTest {
 protected:
  BegunJob begin(const VmPtr& of, Action action, JobArguments arguments, std::int64_t capacity = 1LL << 40) {
    auto begun = store_->begin_job(asked(of, action, std::move(arguments), capacity));
    EXPECT_TRUE(begun) << begun.error().message;
    return *begun;
  }
  BeginJob asked(const VmPtr& of, Action action, JobArguments arguments, std::int64_t capacity = 1LL << 40) {
    BeginJob out = job(of, action);
    out.arguments = std::move(arguments);
    out.capacity = capacity;
    if (core::begins(action)) out.placement = Placement{*store_->vm(of->id)->host_id, "qemu", 100, 1LL << 40};
    return out;
  }
  static JobArguments size(std::int64_t memory) { return {{3, memory}, "", ""}; }
  static JobArguments snapshot(const std::string& id, const std::string& name = "") { return {{}, id, name}; }
  std::int64_t reserved() const { return store_->reservations().at(0).memory; }
  void finish(const BegunJob& begun, JobState state, VmState seen = VmState::running,
              std::optional<core::SnapshotFacts> facts = std::nullopt) {
    auto said = report(begun.vm, seen, ++seq_);
    said.snapshot = std::move(facts);
    store_->finish_job(begun.job.id, state, said);
  }
  std::int64_t seq_ = 10;
};
constexpr std::int64_t kMiB = 1 << 20;

TEST_P(StoreChanges, AResizeReservesAtOnceAndChangesTheSpecAtItsEnd) {
  const VmPtr web = running("web", host());
  const std::int64_t before = reserved();
  const auto begun = begin(web, Action::resize, size(600 * kMiB));
  EXPECT_EQ(reserved(), before + 88 * kMiB);
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 512 * kMiB);
  EXPECT_EQ(store_->vm(web->id)->desired.state, VmState::running) << "as it was";
  finish(begun, JobState::completed);
  open();
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 600 * kMiB);
  EXPECT_EQ(store_->vm(web->id)->spec.boot_vcpus, 3);
  EXPECT_EQ(reserved(), before + 88 * kMiB);
  finish(begin(web, Action::resize, size(500 * kMiB)), JobState::completed);
  EXPECT_EQ(reserved(), before - 12 * kMiB) << "what shrank is free";
}

TEST_P(StoreChanges, AResizeThatFailsFreesWhatItReserved) {
  const VmPtr web = running("web", host());
  const std::int64_t before = reserved();
  finish(begin(web, Action::resize, size(600 * kMiB)), JobState::failed);
  EXPECT_EQ(reserved(), before);
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 512 * kMiB);
  finish(begin(web, Action::resize, size(300 * kMiB)), JobState::failed);
  EXPECT_EQ(reserved(), before);
}

TEST_P(StoreChanges, AResizeBeyondTheHostsMemoryRecordsNothing) {
  const VmPtr web = running("web", host());
  const auto refused = store_->begin_job(asked(web, Action::resize, size(600 * kMiB), 50 * kMiB));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "no-host-fits");
  ASSERT_EQ(refused.error().details.size(), 1u);
  EXPECT_EQ(refused.error().details[0].pointer, "/desired_ram");
  EXPECT_NE(refused.error().details[0].detail.find("host h1: it has 49 MiB"), std::string::npos)
      << refused.error().details[0].detail;
  EXPECT_TRUE(store_->unfinished_jobs().empty());
}

TEST_P(StoreChanges, AnIdleVmIsResizedAsItWasSeen) {
  const VmPtr web = vm("web");
  const auto describe = [](VmRecord& vm) -> Status {
    vm.description = "theirs";
    return Ok{};
  };
  ASSERT_TRUE(store_->edit_vm({web->id, std::nullopt, describe}));
  ASSERT_EQ(store_->vm(web->id)->revision, web->revision) << "words are no revision";
  const auto refused = store_->resize_idle(web->id, {2, std::nullopt}, web->revision, web->version);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "precondition-failed");
  EXPECT_EQ(store_->vm(web->id)->spec.boot_vcpus, 1);
  EXPECT_TRUE(store_->resize_idle(web->id, {2, std::nullopt}, web->revision, store_->vm(web->id)->version));
}

TEST_P(StoreChanges, AnIdleVmIsResizedForItsNextStart) {
  const VmPtr web = vm("web");
  const auto resized = store_->resize_idle(web->id, {2, 700 * kMiB}, web->revision);
  ASSERT_TRUE(resized) << resized.error().message;
  open();
  EXPECT_EQ(store_->vm(web->id)->spec.boot_vcpus, 2);
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 700 * kMiB);
  const auto begun = start(web, host());
  EXPECT_EQ(store_->resize_idle(web->id, {1, std::nullopt}, begun.vm->revision).error().reason, "job-in-progress");
  EXPECT_EQ(store_->resize_idle(core::new_uuid(), {}, 0).error().reason, "vm-not-found");
}

TEST_P(StoreChanges, AStartThatWasDecidedOnTheSizeBeforeIsDecidedAgain) {
  const VmPtr web = vm("web");
  const HostPtr on = host();
  BeginJob start = job(web, Action::start);
  start.placement = Placement{on->id, "qemu", 100, 1000};
  const auto resized = store_->resize_idle(web->id, {std::nullopt, 700 * kMiB}, web->revision);
  ASSERT_TRUE(resized) << resized.error().message;
  EXPECT_EQ(store_->begin_job(start).error().reason, "changed");
  EXPECT_TRUE(store_->reservations().empty());
  open();
  EXPECT_EQ(store_->vm(web->id)->revision, (*resized)->revision);
  EXPECT_EQ(store_->resize_idle(web->id, {1, std::nullopt}, web->revision).error().reason, "changed");
}

TEST_P(StoreChanges, AResizeThatWasPutAsideIsSettledByWhatItsNodeSaysInTheEnd) {
  const VmPtr web = running("web", host());
  const std::int64_t before = reserved();
  const auto put_aside = [&](std::int64_t asked, std::int64_t came_to) {
    begin(web, Action::resize, size(asked));
    begin(web, Action::stop, {});
    const auto by = begin(web, Action::force_stop, {});
    auto said = report(web, VmState::running, ++seq_);
    said.resolved.emplace(web->spec).memory_size = came_to;
    said.resolved->boot_vcpus = 3;
    open();
    said.session = "s" + std::to_string(seq_);
    store_->finish_job(by.job.id, JobState::failed, said);
    open();
    return store_->vm(web->id)->spec.memory_size;
  };
  EXPECT_EQ(put_aside(600 * kMiB, 512 * kMiB), 512 * kMiB) << "its node hadn't begun it";
  EXPECT_EQ(reserved(), before);
  EXPECT_EQ(store_->vm(web->id)->spec.boot_vcpus, 3);
  EXPECT_EQ(put_aside(600 * kMiB, 600 * kMiB), 600 * kMiB) << "it had";
  EXPECT_EQ(reserved(), before + 88 * kMiB);
  EXPECT_EQ(put_aside(300 * kMiB, 300 * kMiB), 300 * kMiB);
  EXPECT_EQ(reserved(), before - 212 * kMiB) << "what shrank is free";
}

TEST_P(StoreChanges, AResizeThatWasPutAsideByAStopEndsWithIt) {
  const VmPtr web = running("web", host());
  begin(web, Action::resize, size(600 * kMiB));
  finish(begin(web, Action::stop, {}), JobState::completed, VmState::shutdown);
  EXPECT_TRUE(store_->reservations().empty());
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 512 * kMiB);
}

TEST_P(StoreChanges, ASnapshotIsThereFromItsJobOnAndReadyAtItsEnd) {
  const VmPtr web = running("web", host());
  const std::string id = core::new_uuid();
  const auto begun = begin(web, Action::snapshot, snapshot(id));
  EXPECT_EQ(store_->snapshot(id)->status, SnapshotStatus::creating);
  open();
  EXPECT_EQ(store_->unfinished_jobs().at(0).arguments.snapshot, id) << "it can be asked for again";
  finish(begun, JobState::completed, VmState::running, core::SnapshotFacts{id, 4096});
  open();
  const auto all = store_->snapshots(web->id);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ((*store_->job(begun.job.id))->snapshot, id) << "also as the database has it";
  EXPECT_EQ(all[0]->status, SnapshotStatus::ready);
  EXPECT_EQ(all[0]->size, 4096);
  EXPECT_EQ(all[0]->name, "snapshot-1");
  EXPECT_EQ(all[0]->hypervisor, "qemu");
  const auto taken = store_->begin_job(asked(web, Action::snapshot, snapshot(core::new_uuid(), "snapshot-1")));
  EXPECT_EQ(taken.error().reason, "name-taken");
}

TEST_P(StoreChanges, ASnapshotThatFailsLeavesNoRecord) {
  const VmPtr web = running("web", host());
  const std::string id = core::new_uuid();
  finish(begin(web, Action::snapshot, snapshot(id)), JobState::failed);
  EXPECT_EQ(store_->snapshot(id), nullptr);
  open();
  EXPECT_TRUE(store_->snapshots(web->id).empty());
}

TEST_P(StoreChanges, ASnapshotWhoseJobIsPutAsideIsFailedUntilItIsDeleted) {
  const VmPtr web = running("web", host());
  const std::string id = core::new_uuid();
  const auto begun = begin(web, Action::snapshot, snapshot(id));
  finish(begin(web, Action::stop, {}), JobState::completed, VmState::shutdown);
  finish(begun, JobState::completed, VmState::running, core::SnapshotFacts{id, 1});
  open();
  EXPECT_EQ(store_->snapshot(id)->status, SnapshotStatus::failed) << "a late result is ignored";
  EXPECT_EQ(store_->begin_job(asked(web, Action::restore, snapshot(id))).error().reason, "snapshot-not-found");
  finish(begin(web, Action::drop_snapshot, snapshot(id)), JobState::completed, VmState::shutdown);
  open();
  EXPECT_EQ(store_->snapshot(id), nullptr);
}

TEST_P(StoreChanges, ARestoreBringsTheSnapshotsSizeBack) {
  const VmPtr web = running("web", host());
  const std::string id = core::new_uuid();
  finish(begin(web, Action::snapshot, snapshot(id)), JobState::completed);
  finish(begin(web, Action::resize, size(600 * kMiB)), JobState::completed);
  finish(begin(web, Action::stop, {}), JobState::completed, VmState::shutdown);
  const auto begun = begin(web, Action::restore, snapshot(id));
  EXPECT_EQ(begun.job.incarnation, 2);
  EXPECT_EQ(begun.vm->desired.state, VmState::running);
  finish(begun, JobState::completed);
  open();
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, 512 * kMiB);
  EXPECT_EQ(store_->vm(web->id)->spec.boot_vcpus, 1);
}

TEST_P(StoreChanges, SnapshotsGoWithTheirVm) {
  const VmPtr web = running("web", host());
  const std::string id = core::new_uuid();
  finish(begin(web, Action::snapshot, snapshot(id)), JobState::completed);
  ASSERT_TRUE(store_->remove_vm(web->id, Removal::by_job));
  EXPECT_EQ(store_->snapshot(id), nullptr);
  open();
  EXPECT_EQ(store_->snapshot(id), nullptr);
}

INSTANTIATE_TEST_SUITE_P(, StoreChanges, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
