// How reports and silence change a record, without a database.
#include "vm_transitions.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

using std::chrono::hours;

constexpr WallTime kNoon{hours(12)};
constexpr const char* kNoonText = "1970-01-01T12:00:00.000Z";

// A VM whose third incarnation runs, without a job.
VmRecord running_vm() {
  VmRecord vm;
  vm.id = "web";
  vm.incarnation = 3;
  vm.revision = 7;
  vm.desired = {VmState::running, Origin::user, 7};
  vm.observed.status.state = VmState::running;
  vm.observed.session = "s1";
  vm.observed.seq = 10;
  vm.observed.incarnation = 3;
  return vm;
}

core::VmReport report(VmState state, std::int64_t seq = 11, std::int64_t incarnation = 3) {
  core::VmReport out;
  out.vm = "web";
  out.incarnation = incarnation;
  out.session = "s1";
  out.seq = seq;
  out.status.state = state;
  return out;
}

bool observe(VmRecord& vm, const core::VmReport& told, ReportOf of = ReportOf::vm) {
  return server::observe(vm, told, of, kNoon);
}

VmSpec machine(std::int32_t vcpus) {
  VmSpec out;
  out.boot_vcpus = vcpus;
  return out;
}

TEST(VmTransitions, ARecordTakesOverWhatItsNodeReports) {
  VmRecord vm = running_vm();
  vm.observed.source = Source::server;
  core::VmReport told = report(VmState::paused);
  told.observed_at = "2026-01-01T00:00:00.000Z";
  told.status.status_reason = "why";
  told.keep = "fingerprint";
  told.keep_edition = 4;
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.observed.status.state, VmState::paused);
  EXPECT_EQ(vm.observed.status.status_reason, "why");
  EXPECT_EQ(vm.observed.source, Source::node);
  EXPECT_EQ(vm.observed.observed_at, told.observed_at);
  EXPECT_EQ(vm.observed.seq, 11);
  EXPECT_EQ(vm.observed.incarnation, 3);
  EXPECT_EQ(vm.observed.keep, "fingerprint");
  EXPECT_EQ(vm.observed.keep_edition, 4);
  EXPECT_EQ(vm.desired.state, VmState::running) << "what is seen is no wish";
}

TEST(VmTransitions, WhatIsNoNewerIsLeftAside) {
  VmRecord vm = running_vm();
  EXPECT_FALSE(observe(vm, report(VmState::shutdown, 9)));
  EXPECT_FALSE(observe(vm, report(VmState::shutdown, 10)));
  EXPECT_FALSE(observe(vm, report(VmState::shutdown, 10), ReportOf::job));
  EXPECT_EQ(vm.observed.status.state, VmState::running);
  core::VmReport restarted = report(VmState::paused, 1);
  restarted.session = "s2";
  EXPECT_TRUE(observe(vm, restarted)) << "a new session counts anew";
  EXPECT_EQ(vm.observed.session, "s2");
}

TEST(VmTransitions, ANodeWithoutTheVmProvesNothing) {
  VmRecord vm = running_vm();
  core::VmReport missing = report(VmState::unknown);
  missing.missing = true;
  core::VmReport deleted = report(VmState::shutdown);
  deleted.deleted = true;
  for (const ReportOf of : {ReportOf::vm, ReportOf::job}) {
    EXPECT_FALSE(observe(vm, missing, of));
    EXPECT_FALSE(observe(vm, deleted, of));
  }
  EXPECT_EQ(vm.observed.status.state, VmState::running);
  EXPECT_EQ(vm.observed.seq, 10);
}

TEST(VmTransitions, AnotherIncarnationIsAnotherMachine) {
  VmRecord vm = running_vm();
  EXPECT_FALSE(observe(vm, report(VmState::running, 11, 4)));
  EXPECT_FALSE(observe(vm, report(VmState::running, 11, 2), ReportOf::job));
  EXPECT_FALSE(observe(vm, report(VmState::shutdown, 11, 2))) << "a late word of the one before";
  EXPECT_EQ(vm.observed.seq, 10);
}

TEST(VmTransitions, AStartThatFailedEarlyLeavesTheVmAsItWas) {
  VmRecord vm = running_vm();
  ASSERT_TRUE(observe(vm, report(VmState::shutdown, 11, 2), ReportOf::job));
  EXPECT_EQ(vm.observed.status.state, VmState::shutdown);
  EXPECT_EQ(vm.observed.incarnation, 2);

  VmRecord first = running_vm();
  first.incarnation = 1;
  ASSERT_TRUE(observe(first, report(VmState::shutdown, 11, 0), ReportOf::job));
  EXPECT_EQ(first.observed.status.state, VmState::created) << "it has never run";
}

TEST(VmTransitions, AnUnknownVmWithoutAJobBelievesThatItsStartCameToNothing) {
  VmRecord vm = running_vm();
  lose_sight(vm, "gone", kNoon);
  core::VmReport told = report(VmState::shutdown, 1, 2);
  told.revision = 6;
  EXPECT_FALSE(observe(vm, told)) << "a node with an older copy of its folder has never heard of that start";
  told.revision = 7;
  VmRecord busy = vm;
  busy.job_id = "start";
  EXPECT_FALSE(observe(busy, told)) << "the start may still get there";
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.observed.status.state, VmState::shutdown);
}

// The start was refused by a node that never took its revision, after the server had lost sight of the VM.
TEST(VmTransitions, AStartThatItsNodeRefusedLeavesTheVmAsTheRefusalSays) {
  VmRecord vm = running_vm();
  vm.incarnation = 3;
  vm.revision = 8;
  vm.observed.incarnation = 2;
  lose_sight(vm, "its node is down", kNoon);
  core::VmReport told = report(VmState::shutdown, 10, 2);
  told.revision = 7;
  vm.job_id = "start";
  EXPECT_FALSE(observe(vm, told)) << "the start may still get there";
  vm.job_id.clear();
  EXPECT_FALSE(observe(vm, told)) << "nor is it believed of a folder that may be an old copy";
  ASSERT_TRUE(observe(vm, told, ReportOf::job));
  EXPECT_EQ(vm.observed.status.state, VmState::shutdown);
  EXPECT_EQ(vm.observed.source, Source::node);
}

TEST(VmTransitions, AStartThatNeverBeganLeavesAVmOfWhichNothingWasHeardAsItWas) {
  VmRecord vm = running_vm();
  vm.observed.incarnation = 2;
  vm.observed.status.state = VmState::shutdown;
  const core::VmReport refusal = report(VmState::shutdown, 10, 2);
  EXPECT_FALSE(observe_unbegun(vm, refusal, kNoon)) << "nothing is to be settled";
  lose_sight(vm, "its node is down", kNoon);
  EXPECT_FALSE(observe_unbegun(vm, report(VmState::shutdown, 11, 3), kNoon)) << "it did begin";
  EXPECT_FALSE(observe_unbegun(vm, report(VmState::unknown, 11, 2), kNoon)) << "the node doesn't know";
  core::VmReport missing;
  missing.missing = true;
  EXPECT_FALSE(observe_unbegun(vm, missing, kNoon)) << "its node had it, and has lost what it knew";
  VmRecord doubted = vm;
  doubted.observed.source = Source::node;
  EXPECT_FALSE(observe_unbegun(doubted, refusal, kNoon)) << "the node has said something newer";
  ASSERT_TRUE(observe_unbegun(vm, refusal, kNoon));
  EXPECT_EQ(vm.observed.status.state, VmState::shutdown);
  EXPECT_EQ(vm.observed.source, Source::node);
  EXPECT_EQ(vm.observed.unknown_since, "");
}

TEST(VmTransitions, AFirstStartThatNeverBeganLeavesItsVmCreated) {
  VmRecord vm = running_vm();
  vm.observed = {};
  vm.observed.status.state = VmState::created;
  lose_sight(vm, "its node is down", kNoon);
  core::VmReport missing;
  missing.missing = true;
  missing.status.status_reason = "it has no folder";
  EXPECT_FALSE(observe(vm, missing, ReportOf::job)) << "absence alone proves nothing";
  ASSERT_TRUE(observe_unbegun(vm, missing, kNoon));
  EXPECT_EQ(vm.observed.status.state, VmState::created);
  EXPECT_EQ(vm.observed.status.status_reason, "");
  EXPECT_EQ(vm.observed.unknown_since, "");
}

TEST(VmTransitions, TheFirstReportFreezesTheMachine) {
  VmRecord vm = running_vm();
  core::VmReport told = report(VmState::running, 11);
  told.resolved = machine(2);
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.resolved->boot_vcpus, 2);
  told = report(VmState::running, 12);
  told.resolved = machine(5);
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.resolved->boot_vcpus, 2);
}

TEST(VmTransitions, ADraftIsSettledByAStartThatCameAfterIt) {
  VmRecord vm = running_vm();
  vm.resolved = machine(2);
  vm.draft_since = 3;
  vm.unread.resolved = R"({"newer":1})";
  core::VmReport told = report(VmState::running, 11);
  told.resolved = machine(5);
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.resolved->boot_vcpus, 2) << "this incarnation is older than the draft";
  EXPECT_EQ(vm.draft_since, 3);
  vm.incarnation = 4;
  told.incarnation = 4;
  told.seq = 12;
  ASSERT_TRUE(observe(vm, told));
  EXPECT_EQ(vm.resolved->boot_vcpus, 5);
  EXPECT_EQ(vm.draft_since, 0);
  EXPECT_EQ(vm.unread.resolved, "") << "it was of the machine before";
}

TEST(VmTransitions, WhatIsNotHeardOfIsUnknownSinceTheFirstSilence) {
  VmRecord vm = running_vm();
  vm.observed.status.can = {"pause"};
  lose_sight(vm, "its node is down", kNoon);
  EXPECT_EQ(vm.observed.status.state, VmState::unknown);
  EXPECT_EQ(vm.observed.status.status_reason, "its node is down");
  EXPECT_TRUE(vm.observed.status.can.empty());
  EXPECT_EQ(vm.observed.source, Source::server);
  EXPECT_EQ(vm.observed.unknown_since, kNoonText);
  EXPECT_EQ(vm.desired.state, VmState::running);
  lose_sight(vm, "it has no folder", kNoon + hours(1));
  EXPECT_EQ(vm.observed.unknown_since, kNoonText);
  ASSERT_TRUE(server::observe(vm, report(VmState::unknown, 1), ReportOf::vm, kNoon + hours(2)));
  EXPECT_EQ(vm.observed.unknown_since, kNoonText) << "the node can't say either";
}

TEST(VmTransitions, ANodeThatKnowsOnlyAnEarlierStartIsWhyItsVmIsUnknown) {
  VmRecord vm = running_vm();
  core::VmReport told = report(VmState::running, 1, 2);
  EXPECT_FALSE(note_outdated(vm, told)) << "a late word of the one before";
  lose_sight(vm, "its node can't be reached", kNoon);
  VmRecord busy = vm;
  busy.job_id = "start";
  EXPECT_FALSE(note_outdated(busy, told)) << "the start may still get there";
  EXPECT_FALSE(note_outdated(vm, report(VmState::running, 1, 3)));
  ASSERT_FALSE(observe(vm, told));
  ASSERT_TRUE(note_outdated(vm, told));
  EXPECT_EQ(vm.observed.status.state, VmState::unknown);
  EXPECT_EQ(
      vm.observed.status.status_reason,
      "its node knows only start 2 of it, and the latest was 3; force-stop it, which ends whatever runs of it, or "
      "restore the node's data folder");
  EXPECT_EQ(vm.observed.unknown_since, kNoonText);
  EXPECT_FALSE(note_outdated(vm, told)) << "no news";
  told.incarnation = 0;
  told.status.status_reason = "its document can't be read";
  ASSERT_TRUE(note_outdated(vm, told));
  EXPECT_EQ(vm.observed.status.status_reason.find(
                "its node knows no start of it, and the latest was 3 (the node says: its document can't be read); "),
            0U)
      << vm.observed.status.status_reason;
  EXPECT_TRUE(observe(vm, report(VmState::running, 1))) << "a word of its latest start counts as ever";
}

TEST(VmTransitions, AnyWordAfterSilenceIsNews) {
  VmRecord vm = running_vm();
  lose_sight(vm, "its node is down", kNoon);
  ASSERT_TRUE(observe(vm, report(VmState::running, 10))) << "it was said before already";
  EXPECT_EQ(vm.observed.status.state, VmState::running);
  EXPECT_EQ(vm.observed.unknown_since, "");
  EXPECT_EQ(vm.observed.source, Source::node);
}

TEST(VmTransitions, ANodeThatDoesNotKnowDatesItToo) {
  VmRecord vm = running_vm();
  ASSERT_TRUE(observe(vm, report(VmState::unknown)));
  EXPECT_EQ(vm.observed.unknown_since, kNoonText);
}

TEST(VmTransitions, AGuestThatPowersItselfOffMeansIt) {
  VmRecord vm = running_vm();
  vm.observed.status.state = VmState::shutdown;
  vm.observed.status.exit = ExitInfo{ExitKind::exited, 0, 0, std::nullopt, ""};
  heed_power_off(vm);
  EXPECT_EQ(vm.desired.state, VmState::shutdown);
  EXPECT_EQ(vm.desired.origin, Origin::guest);
  EXPECT_EQ(vm.desired.revision, 7);

  vm.desired = {VmState::shutdown, Origin::user, 8};
  heed_power_off(vm);
  EXPECT_EQ(vm.desired.origin, Origin::user) << "its user wanted it first";
}

TEST(VmTransitions, WhatEndsOtherwiseIsNoWish) {
  const ExitInfo ends[] = {{ExitKind::exited, 1, 0, std::nullopt, ""},
                           {ExitKind::signaled, 0, 9, std::nullopt, ""},
                           {ExitKind::unknown, 0, 0, std::nullopt, ""}};
  for (const ExitInfo& end : ends) {
    VmRecord vm = running_vm();
    vm.observed.status.state = VmState::shutdown;
    vm.observed.status.exit = end;
    heed_power_off(vm);
    EXPECT_EQ(vm.desired.state, VmState::running);
  }
  VmRecord unseen = running_vm();
  unseen.observed.status.state = VmState::shutdown;
  heed_power_off(unseen);
  EXPECT_EQ(unseen.desired.state, VmState::running) << "nobody saw how";

  VmRecord again = running_vm();
  again.observed.status.exit = ExitInfo{ExitKind::exited, 0, 0, std::nullopt, ""};
  heed_power_off(again);
  EXPECT_EQ(again.desired.state, VmState::running) << "it runs";

  VmRecord earlier = running_vm();
  earlier.observed.incarnation = 2;
  earlier.observed.status.state = VmState::shutdown;
  earlier.observed.status.exit = ExitInfo{ExitKind::exited, 0, 0, std::nullopt, ""};
  heed_power_off(earlier);
  EXPECT_EQ(earlier.desired.state, VmState::running) << "it was started again since";
}

TEST(VmTransitions, OnlyWhoHasNoWishLearnsOne) {
  VmRecord vm = running_vm();
  vm.observed.status.state = VmState::paused;
  learn_wish(vm);
  EXPECT_EQ(vm.desired.state, VmState::running);
  vm.desired.state = VmState::unknown;
  learn_wish(vm);
  EXPECT_EQ(vm.desired.state, VmState::paused);
  EXPECT_EQ(vm.desired.revision, 7);
}

TEST(VmTransitions, AJobThatCameToNothingTakesItsWishWithIt) {
  JobRecord job;
  job.before = {VmState::shutdown, Origin::guest, 5};
  for (const JobState state : {JobState::failed, JobState::cancelled}) {
    VmRecord vm = running_vm();
    vm.activity = "start";
    vm.job_id = "job";
    end_job(vm, job, state);
    EXPECT_EQ(vm.activity, "");
    EXPECT_EQ(vm.job_id, "");
    EXPECT_EQ(vm.desired.state, VmState::shutdown);
    EXPECT_EQ(vm.desired.origin, Origin::guest);
    EXPECT_EQ(vm.desired.revision, 7) << "a revision never goes back";
  }
  VmRecord vm = running_vm();
  vm.activity = "start";
  vm.job_id = "job";
  end_job(vm, job, JobState::completed);
  EXPECT_EQ(vm.activity, "");
  EXPECT_EQ(vm.job_id, "");
  EXPECT_EQ(vm.desired.state, VmState::running);
}

TEST(VmTransitions, ARestoreBringsTheSnapshotsMachineBack) {
  VmRecord vm = running_vm();
  vm.spec = machine(5);
  vm.draft_since = 2;
  vm.unread = {"spec", "resolved", "restart"};
  SnapshotRecord snapshot;
  snapshot.spec = machine(1);
  snapshot.resolved = machine(2);
  snapshot.unread = {"its spec", "its resolved", ""};
  take_machine(vm, snapshot);
  EXPECT_EQ(vm.spec.boot_vcpus, 1);
  EXPECT_EQ(vm.resolved->boot_vcpus, 2);
  EXPECT_EQ(vm.unread.spec, "its spec");
  EXPECT_EQ(vm.unread.resolved, "its resolved");
  EXPECT_EQ(vm.unread.restart, "restart") << "the policy is the VM's own";
  EXPECT_EQ(vm.draft_since, 0);
}

}  // namespace
}  // namespace qarax::server
