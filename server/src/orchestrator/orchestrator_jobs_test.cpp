// What a job shows, which jobs can be cancelled, and what becomes of a job when its server or connection ends.
#include "orchestrator_fixture.hpp"

namespace qarax::server {
namespace {

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

TEST_P(OrchestratorTest, ADeleteNeedntBeWaitedFor) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.hang(true);
  ActOptions at_once;
  at_once.respond_async = true;
  const auto begun = orchestrator_->remove(id, false, at_once);
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_EQ(store_->vm(id)->job_id, *begun);
  const auto second = orchestrator_->remove(id, false, at_once);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "job-in-progress");
  node_.hang(false);
  EXPECT_EQ(store_->job_book().wait(*begun, std::chrono::seconds(60))->state, JobState::completed);
  EXPECT_EQ(store_->vm(id), nullptr);
  EXPECT_EQ(orchestrator_->remove(id, false, at_once).error().reason, "vm-not-found");
  const auto never_placed = orchestrator_->remove(vm("fresh"), false, at_once);
  ASSERT_TRUE(never_placed);
  EXPECT_EQ((*store_->job(*never_placed))->state, JobState::completed);
}

TEST_P(OrchestratorTest, ADeleteIsDoneWhereItsNodeSaysThatTheVmIsGone) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.pretend_to_delete();
  const auto refused = orchestrator_->remove(id, false, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("did not confirm that the VM is deleted"), std::string::npos)
      << refused.error().message;
  ASSERT_TRUE(store_->vm(id));
  EXPECT_EQ(state(id), VmState::running);
  EXPECT_EQ(store_->jobs({}).value().front()->state, JobState::failed);
  EXPECT_TRUE(orchestrator_->remove(id, false, {}));
  EXPECT_FALSE(store_->vm(id));
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

TEST_P(OrchestratorTest, ACancelOutlivesTheServerThatHeardOfIt) {
  const std::string id = vm("web");
  std::future<Result<VmPtr>> start;
  const std::string job = hanging_start(id, start);
  // As a server leaves it that is killed before it has told the node.
  ASSERT_TRUE(store_->cancel_job(job));
  orchestrator_->shutdown(0);
  static_cast<void>(start.get());
  close_alone();
  open();
  up();
  const JobPtr ended = store_->job_book().wait(job, std::chrono::seconds(60));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, JobState::cancelled);
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

TEST_P(OrchestratorTest, AStopThatLeavesTheGuestNoTimeDoesNotAskForTheNodesDefault) {
  close();
  stop_timeout_ms_ = 0;
  open();
  up();
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.hang(true);
  auto stop = begin(id, Action::stop);
  node_.wait_for_command(Action::stop);
  const auto jobs = store_->unfinished_jobs();
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].timeout_ms, 1);
  node_.hang(false);
  EXPECT_TRUE(stop.get());
}

}  // namespace
}  // namespace qarax::server
