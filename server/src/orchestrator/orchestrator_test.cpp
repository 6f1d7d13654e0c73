// Jobs from REST's side to a node and back, on a real store and a fake node: what is lost, late, repeated or overtaken
// on the way. Each test runs twice: over gRPC as in the server, and without it for ThreadSanitizer (filter Direct/*).
#include "orchestrator.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "editor.hpp"
#include "fake_fleet.hpp"
#include "fake_node.hpp"
#include "nodes.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

using core::Action;

enum class Way { grpc, direct };

class OrchestratorTest : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-orchestrator-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    if (GetParam() == Way::grpc) server_ = std::make_unique<FakeNodeServer>(node_);
    open();
    const auto added = orchestrator_->add_host({"h1", "127.0.0.1", server_ ? server_->port() : 1, ""});
    ASSERT_TRUE(added) << added.error().message;
    host_ = (*added)->id;
    up();
  }
  void TearDown() override {
    close();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    auto opened = open_sqlite(dir_ + "/qarax.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    if (GetParam() == Way::grpc)
      nodes_ = std::make_unique<Nodes>(*store_, NodeCredentials{});
    else
      nodes_ = std::make_unique<FakeFleet>(*store_, node_);
    OrchestratorOptions options;
    options.restarts = {1, 2, 600'000};
    orchestrator_ = std::make_unique<Orchestrator>(*store_, *nodes_, options);
    orchestrator_->start();
  }
  void close() {
    node_.hang(false);
    close_alone();
  }
  // The server only: what hangs at the node goes on hanging.
  void close_alone() {
    orchestrator_.reset();
    nodes_.reset();
    store_.reset();
  }
  void up() {
    const auto connected = orchestrator_->init_host(host_, 20'000);
    ASSERT_TRUE(connected) << connected.error().message;
  }
  std::string vm(const std::string& name) {
    const auto made = orchestrator_->create({name, std::nullopt, "", std::nullopt, {}});
    EXPECT_TRUE(made) << made.error().message;
    return (*made)->id;
  }
  Result<VmPtr> act(const std::string& id, Action action) { return orchestrator_->act(id, action, {}); }
  std::future<Result<VmPtr>> begin(const std::string& id, Action action) {
    return std::async(std::launch::async, [this, id, action] { return act(id, action); });
  }
  VmState state(const std::string& id) const { return store_->vm(id)->observed.status.state; }
  // Until the VM has no job and is in that state; the test's own time limit is CTest's.
  void settle(const std::string& id, VmState wanted) const {
    for (;;) {
      const VmPtr now = store_->vm(id);
      if (now && now->job_id.empty() && now->observed.status.state == wanted) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  // A start that hangs at its node: its job.
  std::string hanging_start(const std::string& id, std::future<Result<VmPtr>>& start) {
    node_.hang(true);
    start = begin(id, Action::start);
    node_.wait_for_command(Action::start);
    return store_->vm(id)->job_id;
  }
  void make_node_older() {
    node_.forget_features();
    stop_node();
    while (store_->host(host_)->status != HostStatus::down) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    start_node();
    up();
  }

  void stop_node() { server_ ? server_->stop() : node_.stop(); }
  void start_node() { server_ ? server_->start() : node_.start(); }

  FakeNode node_;
  std::unique_ptr<FakeNodeServer> server_;
  std::string dir_;
  std::string host_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Fleet> nodes_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

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
  while (nodes_->link(host_)->is_up()) std::this_thread::yield();
  const auto refused = orchestrator_->remove(id, false, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-unreachable");
  EXPECT_TRUE(orchestrator_->remove(id, true, {}));
  EXPECT_EQ(store_->vm(id), nullptr);
  start_node();
  while (!store_->tombstones(host_).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(node_.vms().empty());
}

TEST_P(OrchestratorTest, ADeleteThatMeetsAFirstStartLeavesNothingBehind) {
  for (int round = 0; round < 40; ++round) {
    const std::string id = vm("web" + std::to_string(round));
    auto start = begin(id, Action::start);
    auto removed = std::async(std::launch::async, [&] { return orchestrator_->remove(id, false, {}); });
    const Status gone = removed.get();
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
  // On a busy machine the node's heartbeat may be missed before the grace is over, which is told first.
  EXPECT_TRUE(told.error().reason == "shutting-down" || told.error().reason == "node-unreachable")
      << told.error().reason;
  const auto refused = act(id, Action::force_stop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "shutting-down");
}

TEST_P(OrchestratorTest, AJobTellsWhatItDid) {
  const std::string id = vm("web");
  node_.lose_replies(1);
  ActOptions options;
  options.request_id = "req-7";
  ASSERT_TRUE(orchestrator_->act(id, Action::start, options));
  node_.fail(make_error(Code::internal, "QEMU ended", "vmm-failed"));
  ASSERT_FALSE(act(id, Action::pause));
  ASSERT_TRUE(orchestrator_->remove(id, false, {}));
  JobQuery query;
  query.vm_id = id;
  const auto jobs = store_->jobs(query);
  ASSERT_TRUE(jobs) << jobs.error().message;
  ASSERT_EQ(jobs->size(), 4u);
  const Job& removed = *jobs->at(0);
  EXPECT_EQ(removed.action, "delete");
  EXPECT_EQ(removed.state, JobState::completed);
  const Job& paused = *jobs->at(1);
  EXPECT_EQ(paused.state, JobState::failed);
  ASSERT_TRUE(paused.error);
  EXPECT_EQ(paused.error->reason, "vmm-failed");
  EXPECT_NE(paused.error->message.find("QEMU ended"), std::string::npos);
  const Job& started = *jobs->at(2);
  EXPECT_EQ(started.state, JobState::completed);
  EXPECT_EQ(started.request_id, "req-7");
  EXPECT_EQ(started.host_id, host_);
  EXPECT_EQ(started.owner, store_->activation().id);
  ASSERT_EQ(started.steps.size(), 2u);
  EXPECT_EQ(started.steps[1].name, "node");
  EXPECT_EQ(started.steps[1].state, StepState::completed);
  EXPECT_FALSE(started.finished_at.empty());
  EXPECT_EQ(jobs->at(3)->action, "create");
  EXPECT_EQ(jobs->at(3)->vm_name, "web");
}

TEST_P(OrchestratorTest, ACancelledStartIsUndoneAndWasNeverMeant) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  const std::string job = store_->vm(id)->job_id;
  const auto cancelled = orchestrator_->cancel(job, {});
  ASSERT_TRUE(cancelled) << cancelled.error().message;
  EXPECT_EQ((*cancelled)->state, JobState::cancelled);
  EXPECT_EQ((*cancelled)->steps.back().state, StepState::failed);
  const auto told = start.get();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().reason, "cancelled");
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::created);
  EXPECT_EQ(state(id), VmState::created);
  EXPECT_TRUE(store_->reservations().empty());
  EXPECT_EQ(node_.carried_out(Action::start), 0);
  const auto again = orchestrator_->cancel(job, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "job-finished");
  node_.hang(false);
  EXPECT_TRUE(act(id, Action::start));
}

TEST_P(OrchestratorTest, TheEndOfTheServerInMidStartCancelsNothing) {
  const std::string id = vm("web");
  std::future<Result<VmPtr>> start;
  const std::string job = hanging_start(id, start);
  orchestrator_->shutdown(0);
  static_cast<void>(start.get());
  close_alone();
  open();
  up();
  EXPECT_EQ((*store_->job(job))->state, JobState::running);
  node_.hang(false);
  const JobPtr ended = store_->job_book().wait(job, std::chrono::seconds(60));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, JobState::completed);
  settle(id, VmState::running);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, ALostConnectionCancelsNothing) {
  const std::string id = vm("web");
  std::future<Result<VmPtr>> start;
  const std::string job = hanging_start(id, start);
  nodes_->drop(host_);
  nodes_->start(store_->host(host_));
  up();
  EXPECT_EQ((*store_->job(job))->state, JobState::running);
  node_.hang(false);
  settle(id, VmState::running);
  static_cast<void>(start.get());
  EXPECT_EQ((*store_->job(job))->state, JobState::completed);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, WhatTheServerBeforeBeganCanBeCancelled) {
  const std::string id = vm("web");
  std::future<Result<VmPtr>> start;
  const std::string job = hanging_start(id, start);
  orchestrator_->shutdown(0);
  static_cast<void>(start.get());
  close_alone();
  open();
  up();
  const auto cancelled = orchestrator_->cancel(job, {});
  ASSERT_TRUE(cancelled) << cancelled.error().message;
  EXPECT_EQ((*cancelled)->state, JobState::cancelled);
  EXPECT_EQ(node_.carried_out(Action::start), 0);
}

TEST_P(OrchestratorTest, OfAnOlderNodeTheCallIsLetGoOfForACancel) {
  make_node_older();
  const std::string id = vm("web");
  std::future<Result<VmPtr>> start;
  const std::string job = hanging_start(id, start);
  const auto cancelled = orchestrator_->cancel(job, {});
  ASSERT_TRUE(cancelled) << cancelled.error().message;
  EXPECT_EQ((*cancelled)->state, JobState::cancelled);
  EXPECT_EQ(start.get().error().reason, "cancelled");
  EXPECT_EQ(node_.carried_out(Action::start), 0);
}

TEST_P(OrchestratorTest, WhatCantBeCancelledSaysSo) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.hang(true);
  auto pause = begin(id, Action::pause);
  node_.wait_for_command(Action::pause);
  const auto refused = orchestrator_->cancel(store_->vm(id)->job_id, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "not-cancellable");
  node_.hang(false);
  EXPECT_TRUE(pause.get());
  EXPECT_EQ(orchestrator_->cancel("6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55", {}).error().reason, "job-not-found");
}

TEST_P(OrchestratorTest, AnotherServerTakesUnfinishedJobsOverAndTheyComeToAnEnd) {
  const std::string id = vm("web");
  node_.hang(true);
  auto start = begin(id, Action::start);
  node_.wait_for_command(Action::start);
  const std::string job = store_->vm(id)->job_id;
  stop_node();
  static_cast<void>(start.get());
  close();
  open();
  const auto found = store_->job(job);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->state, JobState::running);
  EXPECT_EQ((*found)->owner, store_->activation().id);
  start_node();
  const JobPtr ended = store_->job_book().wait(job, std::chrono::seconds(60));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, JobState::completed);
}

TEST_P(OrchestratorTest, WhatIsSoAlreadyIsRecordedAsMeant) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.set_state(id, VmState::shutdown);
  settle(id, VmState::shutdown);
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::running) << "a crash isn't a wish";
  ASSERT_TRUE(act(id, Action::stop));
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::shutdown);
  EXPECT_EQ(node_.carried_out(Action::stop), 0);
}

TEST_P(OrchestratorTest, ARunningVmIsResizedAtItsNodeAndAnIdleOneInTheStoreAlone) {
  const std::string id = vm("web");
  ActOptions options;
  options.arguments.resize.memory = 256LL << 20;
  ASSERT_TRUE(orchestrator_->act(id, Action::resize, options));
  EXPECT_EQ(node_.carried_out(Action::resize), 0);
  ASSERT_TRUE(act(id, Action::start));
  options.arguments.resize.memory = 384LL << 20;
  const auto resized = orchestrator_->act(id, Action::resize, options);
  ASSERT_TRUE(resized) << resized.error().message;
  EXPECT_EQ((*resized)->spec.memory_size, 384LL << 20);
  EXPECT_EQ((*resized)->observed.status.state, VmState::running);
  EXPECT_EQ(node_.carried_out(Action::resize), 1);
}

TEST_P(OrchestratorTest, ASizeThatCannotBeIsRefusedBeforeAnythingIsRecorded) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  const std::int64_t revision = store_->vm(id)->revision;
  ActOptions options;
  options.arguments.resize.vcpus = 2;
  const auto too_many = orchestrator_->act(id, Action::resize, options);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().reason, "validation");
  EXPECT_EQ(too_many.error().details.at(0).pointer, "/desired_vcpus");
  options.arguments.resize = {std::nullopt, 1LL << 50};
  EXPECT_EQ(orchestrator_->act(id, Action::resize, options).error().reason, "no-host-fits");
  options.arguments.resize.memory = 256LL << 20;
  Error said = make_error(Code::invalid_argument, "no room", "");
  said.details.push_back({"/memory", "no room"});
  node_.fail(said);
  const auto no_room = orchestrator_->act(id, Action::resize, options);
  ASSERT_FALSE(no_room);
  EXPECT_EQ(no_room.error().reason, "validation") << "in the words of the REST API";
  EXPECT_EQ(no_room.error().details.at(0).pointer, "/desired_ram");
  EXPECT_EQ(store_->vm(id)->revision, revision + 1) << "only what was sent";
  EXPECT_EQ(store_->vm(id)->spec.memory_size, VmSpec{}.memory_size);
}

TEST_P(OrchestratorTest, ASnapshotIsTakenAndRestored) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ActOptions options;
  options.arguments.snapshot = core::new_uuid();
  node_.lose_replies(1);
  ASSERT_TRUE(orchestrator_->act(id, Action::snapshot, options)) << "a lost reply is asked for again";
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot)->status, SnapshotStatus::ready);
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot)->size, 4096);
  EXPECT_EQ(node_.carried_out(Action::snapshot), 1);
  ASSERT_TRUE(act(id, Action::stop));
  const auto restored = orchestrator_->act(id, Action::restore, options);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ((*restored)->observed.status.state, VmState::running);
  EXPECT_EQ((*restored)->incarnation, 2);
  EXPECT_EQ(store_->reservations().size(), 1u);
  ASSERT_TRUE(orchestrator_->act(id, Action::drop_snapshot, options));
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot), nullptr);
}

TEST_P(OrchestratorTest, AnOlderNodeIsNotAskedForWhatItDoesNotKnow) {
  make_node_older();
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ActOptions options;
  options.arguments.snapshot = core::new_uuid();
  const auto refused = orchestrator_->act(id, Action::snapshot, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-outdated");
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot), nullptr);
  EXPECT_EQ(orchestrator_->counters(id).error().reason, "unsupported-by-hypervisor");
}

TEST_P(OrchestratorTest, WhatEndsByItselfIsStartedAgainAsItsPolicySays) {
  const auto made =
      orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::on_failure, 2, 0}});
  ASSERT_TRUE(made);
  const std::string id = (*made)->id;
  ASSERT_TRUE(act(id, Action::start));
  for (int restart = 1; restart <= 2; ++restart) {
    node_.set_state(id, VmState::shutdown);
    while (store_->vm(id)->restart.count != restart) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    settle(id, VmState::running);
    EXPECT_EQ(store_->vm(id)->incarnation, 1 + restart);
    EXPECT_EQ(store_->vm(id)->desired.origin, Origin::policy);
  }
  node_.set_state(id, VmState::shutdown);
  settle(id, VmState::shutdown);
  EXPECT_FALSE(wants_restart(*store_->vm(id))) << "its limit";
  ASSERT_TRUE(act(id, Action::start));
  EXPECT_EQ(store_->vm(id)->restart.count, 0) << "somebody took care of it";
  ASSERT_TRUE(act(id, Action::force_stop));
  EXPECT_FALSE(wants_restart(*store_->vm(id)));
  EXPECT_EQ(node_.carried_out(Action::start), 4);
}

TEST_P(OrchestratorTest, ANodeKeepsWhatTheServerWouldWantBackAlsoWhenThatChanges) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ASSERT_TRUE(act(id, Action::pause));
  const auto kept = [&](std::string_view words) {
    const auto seen = node_.survey({});
    return seen.vms.size() == 1 && seen.vms[0].keep.text.find(words) != std::string::npos;
  };
  const auto wait_for = [&](std::string_view words) {
    while (!kept(words)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  Editor editor(*store_, *nodes_);
  ASSERT_TRUE(editor.edit_vm({id, R"({"description":"first words","name":"front"})", std::nullopt}));
  wait_for("first words");
  EXPECT_EQ(node_.survey({}).vms[0].report.name, "front");
  // While its node is away, and told when that is back.
  stop_node();
  while (state(id) != VmState::unknown) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ASSERT_TRUE(editor.edit_vm({id, R"({"tags":["prod"]})", std::nullopt}));
  start_node();
  wait_for("prod");
  EXPECT_EQ(node_.told_to_keep(), 2) << "each once, and never what a start brought along";
}

TEST_P(OrchestratorTest, APolicyTakesNoPartInWhatSomebodyElseDecided) {
  const auto made = orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::always, 5, 0}});
  ASSERT_TRUE(made);
  const std::string id = (*made)->id;
  ASSERT_TRUE(act(id, Action::start));
  ActOptions policy;
  policy.origin = Origin::policy;
  EXPECT_EQ(orchestrator_->act(id, Action::start, policy).error().reason, "changed") << "it runs";
  ASSERT_TRUE(act(id, Action::force_stop));
  EXPECT_EQ(orchestrator_->act(id, Action::start, policy).error().reason, "changed") << "it was stopped";
  EXPECT_EQ(store_->vm(id)->desired.origin, Origin::user);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

TEST_P(OrchestratorTest, AStartOfAVmThatMayStillRunIsRefusedAndSaysSinceWhen) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  EXPECT_EQ(store_->vm(id)->observed.source, Source::node);
  EXPECT_TRUE(store_->vm(id)->observed.unknown_since.empty());
  stop_node();
  while (state(id) != VmState::unknown) std::this_thread::sleep_for(std::chrono::milliseconds(2));
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

INSTANTIATE_TEST_SUITE_P(Grpc, OrchestratorTest, testing::Values(Way::grpc));
INSTANTIATE_TEST_SUITE_P(Direct, OrchestratorTest, testing::Values(Way::direct));

}  // namespace
}  // namespace qarax::server
