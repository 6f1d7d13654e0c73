#include "dispatcher.hpp"

#include <gtest/gtest.h>

#include "answering_fleet_fixture.hpp"

namespace qarax::server {
namespace {

class DispatcherTest : public OverAnAnsweringFleet {
 protected:
  void SetUp() override {
    OverAnAnsweringFleet::SetUp();
    dispatcher_.emplace(*store_, fleet_, waiters_, pool_, Dispatcher::Timeouts{1'000, 1'000, 1'000},
                        closing_.get_token());
  }
  JobRecord stop_of(const std::string& name) { return begin(running(name), core::Action::stop).job; }
  // The call has ended, and the node is still at work.
  static CommandOutcome open(const NodeCommand&) {
    return {false, std::nullopt, make_error(Code::deadline_exceeded, "it is still going on", "still-running")};
  }

  // Called on the test's thread, by send().
  AnsweringFleet::Answer answer_ = open;
  int asked_ = 0;
  AnsweringFleet fleet_{[this](const NodeCommand& command) {
    ++asked_;
    return answer_(command);
  }};
  JobWaiters waiters_;
  std::stop_source closing_;
  std::optional<Dispatcher> dispatcher_;
  core::WorkerPool pool_{"test", 1, 1};  // the last one: its work uses the others
};

TEST_F(DispatcherTest, AJobIsSentAgainOnlyWhenItsCallHasEnded) {
  const JobRecord job = stop_of("web");
  answer_ = [&](const NodeCommand& command) {
    // A tick while the call is under way.
    if (asked_ == 1) dispatcher_->look_after(job);
    return asked_ == 1 ? open(command) : done(command);
  };
  dispatcher_->send(job);
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(store_->unfinished_jobs().size(), 1u);
  dispatcher_->look_after(job);
  EXPECT_EQ(asked_, 2);
  EXPECT_TRUE(store_->unfinished_jobs().empty());
  EXPECT_EQ(store_->job_book().find(job.id)->state, JobState::completed);
}

TEST_F(DispatcherTest, AJobThatIsPutAsideIsCancelledAtItsNodeAlsoWhereNoCallWaitsForIt) {
  const JobRecord job = stop_of("web");
  const auto waiter = waiters_.add(job.id, job.vm_id);
  dispatcher_->send(job);
  ASSERT_EQ(asked_, 1);
  EXPECT_TRUE(waiters_.waits(job.id)) << "the job goes on";
  EXPECT_TRUE(fleet_.cancelled().empty());
  dispatcher_->put_aside(job.id, core::Action::force_stop);
  const auto told = waiters_.wait(job.id, waiter, 0);
  ASSERT_TRUE(told && told->error);
  EXPECT_EQ(told->error->reason, "superseded");
  const std::vector<std::pair<std::string, std::int64_t>> cancelled{{job.vm_id, job.revision}};
  EXPECT_EQ(fleet_.cancelled(), cancelled);
  EXPECT_EQ(fleet_.cancelled_calls(), 0);
}

TEST_F(DispatcherTest, AJobThatIsPutAsideIsCancelledThroughItsCallWhereOneWaits) {
  const JobRecord job = stop_of("web");
  fleet_.be_silent();
  dispatcher_->send(job);
  ASSERT_EQ(asked_, 1);
  dispatcher_->put_aside(job.id, core::Action::force_stop);
  EXPECT_EQ(fleet_.cancelled_calls(), 1);
  EXPECT_TRUE(fleet_.cancelled().empty());
}

TEST_F(DispatcherTest, WhoWaitsForANodeThatIsAwayIsTold) {
  const JobRecord job = stop_of("web");
  const auto waiter = waiters_.add(job.id, job.vm_id);
  fleet_.be_up(false);
  dispatcher_->look_after(job);
  EXPECT_EQ(asked_, 0);
  const auto told = waiters_.wait(job.id, waiter, 0);
  ASSERT_TRUE(told && told->error);
  EXPECT_EQ(told->error->reason, "node-unreachable");
  EXPECT_EQ(store_->unfinished_jobs().size(), 1u) << "the job stays open";
}

TEST_F(DispatcherTest, AServerThatIsEndingSendsNothing) {
  const JobRecord job = stop_of("web");
  closing_.request_stop();
  dispatcher_->send(job);
  dispatcher_->send_all_of(host_);
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(store_->unfinished_jobs().size(), 1u);
}

}  // namespace
}  // namespace qarax::server
