// Host jobs of a server that is killed at the worst moments: on a real store, and a fake node over gRPC.
#include "host_jobs.hpp"

#include <thread>

#include "over_a_fake_node.hpp"
#include "qarax/core/ids.hpp"
#include "request_scope.hpp"

namespace qarax::server {
namespace {

constexpr const char* kKey = "k1";

class HostJobsTest : public OverAFakeNode {
 protected:
  void open() override {
    OverAFakeNode::open();
    jobs_ = std::make_unique<HostJobs>(*store_, *adopter_, *orchestrator_, options_);
    jobs_->start();
  }
  void close() override {
    if (orchestrator_) orchestrator_->shutdown(0);
    jobs_.reset();
    OverAFakeNode::close();
  }
  void restart() {
    close();
    open();
  }
  // Makes a request with the key, the first one or a repeated one.
  template <class Use>
  auto request(Use use) {
    const auto kept = store_->kept_key(kKey);
    const bool known = kept && kept->has_value();
    const auto claim =
        known ? std::make_shared<Claim>(kKey, "print", (*kept)->job_id, true) : std::make_shared<Claim>(kKey, "print");
    const RequestScope scope("r", claim);
    return use();
  }
  // Leaves a job as a killed server does: recorded with its key, and nothing more.
  std::string leave(HostAction action, const std::string& vm = {}) {
    return request([&] { return (*store_->begin_host_job({action, host_, vm}))->id; });
  }
  Job ended(const std::string& id) const {
    const JobPtr job = store_->job_book().wait(id, std::chrono::seconds(60));
    return job ? *job : **store_->job(id);
  }
  std::size_t count(HostAction action) {
    std::size_t out = 0;
    const auto jobs = store_->jobs({});
    for (const JobPtr& job : *jobs) out += job->action == to_string(action) ? 1 : 0;
    return out;
  }

  OpenJobs::Options options_{60'000, 5};
  std::unique_ptr<HostJobs> jobs_;
};

TEST_F(HostJobsTest, EachIsRecordedWithItsHostAndItsEnd) {
  const std::string stray = started("stray");
  const std::string kept = started("kept");
  for (const std::string& id : {stray, kept}) ASSERT_TRUE(store_->remove_vm(id, Removal::by_job));
  node_.leave({"tap", "qx1", "", "no VM has it"});
  ASSERT_TRUE(jobs_->init(host_, 20'000));
  const auto gone = jobs_->collect(host_);
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(gone->size(), 1u);
  ASSERT_TRUE(jobs_->remove_vm(host_, stray, 20'000));
  EXPECT_EQ(jobs_->remove_vm(host_, stray, 20'000).error().reason, "vm-not-found");
  ASSERT_TRUE(jobs_->adopt_vm(host_, kept));
  for (const HostAction action :
       {HostAction::init_host, HostAction::collect_leftovers, HostAction::remove_unmanaged, HostAction::adopt_vm})
    EXPECT_EQ(count(action), 1u) << to_string(action);
  JobQuery query;
  query.host_id = host_;
  query.state = JobState::completed;
  EXPECT_EQ(store_->jobs(query)->size(), store_->jobs({})->size() - 2) << "all but the creates";
  EXPECT_FALSE(node_.vms().contains(stray));
}

TEST_F(HostJobsTest, AFailureIsTheJobsAndTheSameRequestTriesAgain) {
  server_.stop();
  const auto first = request([&] { return jobs_->init(host_, 100); });
  ASSERT_FALSE(first);
  EXPECT_EQ(store_->jobs({})->front()->state, JobState::failed);
  EXPECT_EQ(store_->jobs({})->front()->error->reason, first.error().reason);
  server_.start();
  const auto again = request([&] { return jobs_->init(host_, 20'000); });
  EXPECT_TRUE(again) << again.error().message;
  EXPECT_EQ(count(HostAction::init_host), 2u);
}

TEST_F(HostJobsTest, WhoseNodeItIsIsNothingToWaitFor) {
  node_.obey({core::new_uuid(), 1, core::new_uuid()});
  restart();
  const auto anothers = request([&] { return jobs_->init(host_, 20'000); });
  ASSERT_FALSE(anothers);
  EXPECT_EQ(anothers.error().reason, "other-cluster");
  EXPECT_EQ(anothers.error().retry_after_ms, 0);
  EXPECT_FALSE(anothers.error().retryable);
  node_.change_identity();
  restart();
  const auto another = jobs_->init(host_, 20'000);
  ASSERT_FALSE(another);
  EXPECT_EQ(another.error().reason, "other-node");
  EXPECT_EQ(another.error().retry_after_ms, 0);
}

TEST_F(HostJobsTest, TheNextServerGoesOnWithWhatWasLeft) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const std::string collect = (*store_->begin_host_job({HostAction::collect_leftovers, host_}))->id;
  const std::int64_t revision = *adopter_->revision_to_remove(host_, stray);
  const std::string remove = (*store_->begin_host_job({HostAction::remove_unmanaged, host_, stray, revision}))->id;
  const std::string init = (*store_->begin_host_job({HostAction::init_host, host_}))->id;
  restart();
  for (const std::string& id : {collect, remove, init}) EXPECT_EQ(ended(id).state, JobState::completed);
  EXPECT_FALSE(node_.vms().contains(stray));
  EXPECT_EQ(node_.collected(), 1);
}

// The job began before another host proved that the database was set back.
TEST_F(HostJobsTest, WhileNothingMayBeChangedNothingIsCollected) {
  options_.try_for_ms = 0;
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const std::string id = (*store_->begin_host_job({HostAction::collect_leftovers, host_}))->id;
  const auto other = store_->add_host({"other", "127.0.0.1", 1, ""});
  ASSERT_TRUE(other);
  ASSERT_TRUE(store_->mark_set_back((*other)->id, "its node knows better"));
  const auto refused = jobs_->collect(host_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "read-only");
  restart();
  const Job job = ended(id);
  EXPECT_EQ(job.state, JobState::failed);
  ASSERT_TRUE(job.error);
  EXPECT_EQ(job.error->reason, "read-only") << job.error->message;
  EXPECT_EQ(node_.collected(), 0);
}

TEST_F(HostJobsTest, ARequestThatIsMadeAgainHasTheAnswerOfItsJob) {
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const std::string id = leave(HostAction::collect_leftovers);
  restart();
  ASSERT_EQ(ended(id).state, JobState::completed);
  node_.leave({"tap", "qx2", "", "of later"});
  const auto again = request([&] { return jobs_->collect(host_); });
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_EQ(again->size(), 1u);
  EXPECT_EQ(again->front().name, "qx1");
  EXPECT_EQ(node_.collected(), 1) << "not once more";
}

TEST_F(HostJobsTest, ACollectThatIsCarriedOutTwiceTellsWhatBothHaveRemoved) {
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const std::string listed =
      R"({"leftovers":[{"kind":"tap","name":"qx1","vm":"","why":"no VM has it","removed":false,"problem":""}]})";
  const std::string id = request([&] {
    return (*store_->begin_host_job({HostAction::collect_leftovers, host_, {}, 0, listed}))->id;
  });
  ASSERT_TRUE(adopter_->leftovers(host_, true)) << "and then it was killed";
  node_.leave({"tap", "qx2", "", "of later"});
  restart();
  ASSERT_EQ(ended(id).state, JobState::completed);
  const auto told = request([&] { return jobs_->collect(host_); });
  ASSERT_TRUE(told) << told.error().message;
  ASSERT_EQ(told->size(), 2u);
  EXPECT_EQ(told->front().name, "qx1");
  EXPECT_TRUE(told->front().removed);
  EXPECT_EQ(told->back().name, "qx2");
}

TEST_F(HostJobsTest, WhatAVmOfAnotherHostsRecordOwnsIsNoLeftover) {
  const auto other = store_->add_host({"before", "127.0.0.1", 2, ""});
  ASSERT_TRUE(store_->pin_node((*other)->id, "node-before"));
  const auto elsewhere = store_->create_vm({"elsewhere", std::nullopt, "", std::nullopt, {}});
  ASSERT_TRUE(elsewhere);
  node_.leave({"process", "4711", (*elsewhere)->id, "a supervisor of a VM that this node doesn't have"});
  node_.leave({"folder", "/d/vms-of-node-before", "node-before", "set aside"});
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const auto found = adopter_->leftovers(host_, true);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().name, "qx1");
}

TEST_F(HostJobsTest, WhatANodeIsTooSlowWithGoesOn) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  node_.hang(true);
  const auto asked = request([&] { return jobs_->remove_vm(host_, stray, 100); });
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().reason, "deadline-exceeded") << asked.error().message;
  const JobPtr job = store_->jobs({})->front();
  EXPECT_EQ(job->state, JobState::running) << "the node may be doing it";
  node_.hang(false);
  EXPECT_EQ(ended(job->id).state, JobState::completed);
  EXPECT_FALSE(node_.vms().contains(stray));
  EXPECT_TRUE(request([&] { return jobs_->remove_vm(host_, stray, 20'000); }));
  EXPECT_EQ(count(HostAction::remove_unmanaged), 1u);
}

TEST_F(HostJobsTest, ACallThatBreaksOffAfterItWasSentGoesOn) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  node_.hang(true);
  std::thread outage([&] {
    node_.wait_for_command(core::Action::remove);
    server_.stop();
  });
  const auto asked = request([&] { return jobs_->remove_vm(host_, stray, 20'000); });
  outage.join();
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().reason, "deadline-exceeded") << asked.error().message;
  const JobPtr job = store_->jobs({})->front();
  EXPECT_EQ(job->state, JobState::running);
  node_.hang(false);
  server_.start();
  EXPECT_EQ(ended(job->id).state, JobState::completed);
  EXPECT_FALSE(node_.vms().contains(stray));
  EXPECT_EQ(node_.carried_out(core::Action::remove), 1) << "asked for again it is the same command";
  EXPECT_TRUE(request([&] { return jobs_->remove_vm(host_, stray, 20'000); }));
}

TEST_F(HostJobsTest, AnotherHostsSilenceKeepsNobodyWaiting) {
  FakeNode other;
  FakeNodeServer second(other);
  const auto added = orchestrator_->add_host({"h2", "127.0.0.1", second.port(), ""});
  ASSERT_TRUE(added);
  second.stop();
  const auto dark = jobs_->in_background(HostAction::init_host, (*added)->id, "");
  ASSERT_TRUE(dark) << dark.error().message;
  const auto lit = jobs_->in_background(HostAction::init_host, host_, "");
  ASSERT_TRUE(lit) << lit.error().message;
  EXPECT_EQ(ended((*lit)->id).state, JobState::completed);
  EXPECT_EQ(store_->job_book().find((*dark)->id)->state, JobState::running);
  second.start();
  EXPECT_EQ(ended((*dark)->id).state, JobState::completed);
  close();
}

TEST_F(HostJobsTest, WhatIsNotWaitedForIsDoneOnceAndToldByItsJob) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  node_.leave({"tap", "qx1", "", "no VM has it"});
  const auto collect = [&] { return jobs_->in_background(HostAction::collect_leftovers, host_, ""); };
  const auto first = request(collect);
  ASSERT_TRUE(first) << first.error().message;
  const Job done = ended((*first)->id);
  EXPECT_EQ(done.state, JobState::completed);
  EXPECT_NE(done.outcome.find("qx1"), std::string::npos);
  EXPECT_EQ((*request(collect))->id, done.id);
  EXPECT_EQ(node_.collected(), 1);
  const auto removal = jobs_->in_background(HostAction::remove_unmanaged, host_, stray);
  ASSERT_TRUE(removal) << removal.error().message;
  EXPECT_EQ(ended((*removal)->id).state, JobState::completed);
  EXPECT_FALSE(node_.vms().contains(stray));
  EXPECT_EQ(jobs_->in_background(HostAction::remove_unmanaged, host_, stray).error().reason, "vm-not-found");
  EXPECT_EQ(ended((*jobs_->in_background(HostAction::init_host, host_, ""))->id).state, JobState::completed);
}

TEST_F(HostJobsTest, AVmThatWasRemovedBeforeTheKillIsRemoved) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  const std::string id = leave(HostAction::remove_unmanaged, stray);
  ASSERT_TRUE(adopter_->remove_vm(host_, stray, *adopter_->revision_to_remove(host_, stray), 20'000));
  restart();
  EXPECT_EQ(ended(id).state, JobState::completed);
  EXPECT_TRUE(request([&] { return jobs_->remove_vm(host_, stray, 20'000); }));
}

TEST_F(HostJobsTest, AVmThatIsBeingRemovedIsntAdopted) {
  const std::string stray = started("stray");
  ASSERT_TRUE(store_->remove_vm(stray, Removal::by_job));
  ASSERT_TRUE(store_->begin_host_job({HostAction::remove_unmanaged, host_, stray}));
  const auto adopted = jobs_->adopt_vm(host_, stray);
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().reason, "job-in-progress") << adopted.error().message;
  EXPECT_FALSE(store_->vm(stray));
}

TEST_F(HostJobsTest, AVmOfThisServersIsntRemovedAsAStray) {
  const std::string web = started("web");
  const auto begun = store_->begin_host_job({HostAction::remove_unmanaged, host_, web});
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().reason, "wrong-state");
}

TEST_F(HostJobsTest, AnAdoptedVmIsAnsweredAgain) {
  const std::string id = started("web");
  ASSERT_TRUE(store_->remove_vm(id, Removal::by_job));
  ASSERT_TRUE(request([&] { return jobs_->adopt_vm(host_, id); }));
  restart();
  const auto again = request([&] { return jobs_->adopt_vm(host_, id); });
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->id, id);
}

TEST_F(HostJobsTest, AHostThatStaysAwayFailsTheJobWithTheReason) {
  options_.try_for_ms = 0;
  const std::string id = leave(HostAction::collect_leftovers);
  server_.stop();
  restart();
  const Job job = ended(id);
  EXPECT_EQ(job.state, JobState::failed);
  store_->flush();
  EXPECT_FALSE(store_->kept_key(kKey)->has_value()) << "the same request may be made again";
  EXPECT_NE(job.error->message.find("the server ended while this went on"), std::string::npos);
  EXPECT_NE(job.error->message.find("can't be reached"), std::string::npos) << job.error->message;
  server_.start();
}

TEST_F(HostJobsTest, TheServersOwnEndIsNoFailure) {
  const std::string id = (*store_->begin_host_job({HostAction::collect_leftovers, host_}))->id;
  server_.stop();
  restart();
  close();
  server_.start();
  open();
  EXPECT_EQ(ended(id).state, JobState::completed);
}

class AdoptedAgain : public HostJobsTest {
 protected:
  // The host's node obeys another server by now.
  std::string plan_of_anothers_node() {
    node_.obey({store_->activation().cluster_id, store_->activation().term + 5, core::new_uuid()});
    close();
    open();
    const auto plan = adopter_->plan(host_);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? plan->plan : std::string();
  }
  // Leaves an adopt whose server was killed right after the commit: the node hasn't heard of it and still obeys the
  // other server.
  std::string adopt_here(const std::string& plan) {
    return request([&] {
      std::string job;
      server_.stop();
      EXPECT_FALSE(plan.empty());
      Adoption all;
      all.host_id = host_;
      all.above_term = store_->activation().term;
      api::AdoptPlan told;
      told.host_id = host_;
      told.plan = plan;
      told.applied = true;
      all.outcome = encode(told, Defaults::write);
      const auto adopted = store_->adopt(all);
      EXPECT_TRUE(adopted);
      return adopted ? *adopted : std::string();
    });
  }
};

TEST_F(AdoptedAgain, AnAdoptThatWasKilledAfterItsNodeWasToldIsAtItsEnd) {
  const std::string plan = plan_of_anothers_node();
  const std::string id = adopt_here(plan);
  node_.obey(store_->activation());
  close();
  server_.start();
  open();
  const Job job = ended(id);
  EXPECT_EQ(job.state, JobState::completed) << (job.error ? job.error->message : "");
  EXPECT_TRUE(store_->read_only().empty());
  EXPECT_EQ(store_->host(host_)->status, HostStatus::up);
  EXPECT_EQ(count(HostAction::adopt_host), 1u);
  const auto again = request([&] { return jobs_->adopt(host_, plan, 20'000); });
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->applied);
  EXPECT_EQ(again->plan, plan);
}

// The node may obey a third server by then, from which nobody has asked to take it over.
TEST_F(AdoptedAgain, AnAdoptWhoseNodeWasNotToldIsAskedForAgain) {
  const std::string plan = plan_of_anothers_node();
  const std::string id = adopt_here(plan);
  close();
  server_.start();
  open();
  const Job job = ended(id);
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.error->reason, "plan-changed") << job.error->message;
  EXPECT_NE(store_->host(host_)->status, HostStatus::up);
  const auto anew = adopter_->plan(host_);
  ASSERT_TRUE(anew) << anew.error().message;
  const auto adopted = jobs_->adopt(host_, anew->plan, 20'000);
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_TRUE(store_->read_only().empty());
}

TEST_F(AdoptedAgain, AnAdoptNeedNotBeWaitedFor) {
  const std::string plan = plan_of_anothers_node();
  const auto begun = request([&] { return jobs_->adopt_in_background(host_, plan); });
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_EQ((*begun)->action, to_string(HostAction::adopt_host));
  EXPECT_EQ(ended((*begun)->id).state, JobState::completed);
  EXPECT_EQ(store_->host(host_)->status, HostStatus::up);
  const auto again = request([&] { return jobs_->adopt_in_background(host_, plan); });
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->id, (*begun)->id);
  const auto late = jobs_->adopt_in_background(host_, plan);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "plan-changed");
}

TEST_F(AdoptedAgain, WhatNobodyConfirmedIsntTakenOver) {
  const std::string web = started("web");
  node_.obey({store_->activation().cluster_id, store_->activation().term + 5, core::new_uuid()});
  close();
  open();
  const std::string id = adopt_here("p");
  node_.raise_revision(web, 9);
  close();
  server_.start();
  open();
  const Job job = ended(id);
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.error->reason, "plan-changed") << job.error->message;
}

}  // namespace
}  // namespace qarax::server
