// Jobs from the request to the node and back: replies that are lost, late, repeated or overtaken.
#include "orchestrator_fixture.hpp"

namespace qarax::server {
namespace {

TEST_P(OrchestratorTest, AnAnsweredActionIsWhatTheStoreShows) {
  const std::string id = vm("web");
  const auto started = act(id, Action::start);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ((*started)->observed.status.state, VmState::running);
  EXPECT_EQ(state(id), VmState::running);
  EXPECT_TRUE(store_->unfinished_jobs().empty());
  EXPECT_TRUE(act(id, Action::pause));
  EXPECT_EQ(state(id), VmState::paused);
}

TEST_P(OrchestratorTest, ALostReplyIsAskedForAgainAndNothingIsDoneTwice) {
  const std::string id = vm("web");
  node_.lose_replies(1);
  const auto started = act(id, Action::start);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(state(id), VmState::running);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, AHigherJobTakesTheHungOnesPlaceAndItsLateResultIsIgnored) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  const auto refused = act(id, Action::pause);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "job-in-progress");
  const auto stopped = act(id, Action::force_stop);
  ASSERT_TRUE(stopped) << stopped.error().message;
  const auto overtaken = start.get();
  ASSERT_FALSE(overtaken);
  EXPECT_EQ(overtaken.error().reason, "superseded");
  node_.hang(false);
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::shutdown);
}

// Whether or not a call still waits for the job; dispatcher_test.cpp has each case for itself.
TEST_P(OrchestratorTest, AJobThatIsPutAsideIsCancelledAtItsNode) {
  const std::string id = vm("web");
  node_.fail(make_error(Code::deadline_exceeded, "past its deadline, and still going on", "still-running"));
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  const std::int64_t revision = store_->vm(id)->revision;
  static_cast<void>(act(id, Action::stop));
  EXPECT_EQ(start.get().error().reason, "superseded");
  wait_until("the node was asked to cancel the start", [&] { return node_.was_cancelled(id, revision); });
}

TEST_P(OrchestratorTest, AStartThatWaitedInVainForItsHostsOtherBootsSaysSo) {
  const std::string id = vm("web");
  Error full = make_error(Code::deadline_exceeded, "as many VMs boot on this node as may at once", "boot-queue-full");
  node_.fail(full);
  const auto failed = act(id, Action::start);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "boot-queue-full") << "and not that a VMM is silent, which there isn't";
  EXPECT_NE(failed.error().message.find("may at once"), std::string::npos) << failed.error().message;
  EXPECT_EQ(state(id), VmState::created);
  EXPECT_TRUE(store_->unfinished_jobs().empty());
  EXPECT_TRUE(act(id, Action::start)) << "it can be asked again";
}

TEST_P(OrchestratorTest, AFailedFirstStartLeavesTheVmAsItWas) {
  const std::string id = vm("web");
  node_.fail(make_error(Code::internal, "QEMU ended", "vmm-failed"));
  const auto failed = act(id, Action::start);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "vmm-failed");
  EXPECT_EQ(state(id), VmState::created);
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::created);
  EXPECT_TRUE(store_->reservations().empty());
  EXPECT_TRUE(act(id, Action::start));
}

TEST_P(OrchestratorTest, ANodeThatGoesAwayKeepsNobodyWaiting) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  stop_node();
  const auto lost = start.get();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, "node-unreachable");
  EXPECT_EQ(state(id), VmState::unknown) << "the start may have come to its end there";
  node_.hang(false);
  start_node();
  settle(id, VmState::running);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, AnUnfinishedStartIsUnknownToTheNextServerUntilItsNodeIsBack) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  stop_node();
  static_cast<void>(start.get());
  close();
  open();
  EXPECT_EQ(state(id), VmState::unknown);
  EXPECT_EQ(store_->unfinished_jobs().size(), 1u);
  start_node();
  settle(id, VmState::running);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, AForgottenVmIsDeletedWhenItsNodeReturns) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  stop_node();
  wait_until("the link is down", [&] { return !nodes_->link(host_)->is_up(); });
  const auto refused = orchestrator_->remove(id, false, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-unreachable");
  EXPECT_TRUE(orchestrator_->remove(id, true, {}));
  EXPECT_EQ(store_->vm(id), nullptr);
  start_node();
  wait_until("the tombstone is gone", [&] { return store_->tombstones(host_).empty(); });
  EXPECT_TRUE(node_.vms().empty());
}

TEST_P(OrchestratorTest, AForgottenVmsDeleteThatFailedIsTriedAgain) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  stop_node();
  wait_until("the link is down", [&] { return !nodes_->link(host_)->is_up(); });
  node_.fail(make_error(Code::resource_exhausted, "the disk is full", "disk-full"));
  ASSERT_TRUE(orchestrator_->remove(id, true, {}));
  start_node();
  wait_until("the tombstone is gone", [&] { return store_->tombstones(host_).empty(); });
  EXPECT_TRUE(node_.vms().empty()) << "the node has answered that revision for good, and a higher one is carried out";
}

TEST_P(OrchestratorTest, AForgottenVmThatALaterDeleteRemovedNeedsNoMore) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  const std::int64_t revision = store_->vm(id)->revision + 10;
  const FakeNode::Call later{{.action = Action::remove, .vm = id, .revision = revision}, node_.info().session};
  ASSERT_TRUE(node_.execute(later, [] { return false; }).report->deleted);
  stop_node();
  wait_until("the link is down", [&] { return !nodes_->link(host_)->is_up(); });
  ASSERT_TRUE(orchestrator_->remove(id, true, {}));
  start_node();
  wait_until("the tombstone is gone", [&] { return store_->tombstones(host_).empty(); });
}

TEST_P(OrchestratorTest, ADeleteThatMeetsAFirstStartLeavesNothingBehind) {
  for (int round = 0; round < 40; ++round) {
    const std::string id = vm("web" + std::to_string(round));
    auto start = begin(id, Action::start);
    auto removed = std::async(std::launch::async, [&] { return orchestrator_->remove(id, false, {}); });
    const auto gone = removed.get();
    static_cast<void>(start.get());
    EXPECT_TRUE(gone) << gone.error().message;
    EXPECT_EQ(store_->vm(id), nullptr);
    EXPECT_FALSE(node_.vms().contains(id)) << "round " << round;
  }
  EXPECT_TRUE(store_->reservations().empty());
  EXPECT_TRUE(store_->unfinished_jobs().empty());
}

TEST_P(OrchestratorTest, TheEndOfTheServerIsBoundedAndTellsWhoWaits) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  orchestrator_->shutdown(20);
  const auto told = start.get();
  ASSERT_FALSE(told);
  // On a busy machine a heartbeat may be missed before the grace is over; then the caller gets that error first.
  EXPECT_TRUE(told.error().reason == "shutting-down" || told.error().reason == "node-unreachable")
      << told.error().reason;
  const auto refused = act(id, Action::force_stop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "shutting-down");
}

TEST_P(OrchestratorTest, AStartOfAVmThatMayStillRunIsRefusedAndSaysSinceWhen) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  EXPECT_EQ(store_->vm(id)->observed.source, Source::node);
  EXPECT_TRUE(store_->vm(id)->observed.unknown_since.empty());
  stop_node();
  wait_for_state(id, VmState::unknown);
  const std::string since = store_->vm(id)->observed.unknown_since;
  EXPECT_FALSE(since.empty());
  EXPECT_EQ(store_->vm(id)->observed.source, Source::server);
  const auto refused = act(id, Action::start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "wrong-state");
  EXPECT_NE(refused.error().message.find("may still run on host h1: it is unknown since " + since), std::string::npos);
  close();
  open();
  EXPECT_EQ(state(id), VmState::unknown);
  start_node();
  settle(id, VmState::running);
  EXPECT_TRUE(store_->vm(id)->observed.unknown_since.empty());
}

INSTANTIATE_TEST_SUITE_P(Grpc, OrchestratorTest, ::testing::Values(Way::grpc));
INSTANTIATE_TEST_SUITE_P(Direct, OrchestratorTest, ::testing::Values(Way::direct));

}  // namespace
}  // namespace qarax::server
