// Jobs of hosts, and changes that are recorded as completed jobs, on both databases.
#include "request_scope.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

using core::Action;

class HostJobsStoreTest : public StoreTest {
 protected:
  std::vector<std::string> told() {
    store_->flush();
    std::vector<std::string> out;
    const auto page = store_->stored_events(0, 1000);
    for (const auto& one : page->events)
      if (one->event.action && host_action_named(*one->event.action))
        out.push_back(one->event.type + " " + *one->event.action);
    return out;
  }
};

TEST_P(HostJobsStoreTest, AHostsJobIsToldOfFromItsBeginToItsEnd) {
  const HostPtr on = host();
  const auto begun = store_->begin_host_job({HostAction::collect_leftovers, on->id});
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_EQ((*begun)->state, JobState::running);
  JobQuery of_host;
  of_host.host_id = on->id;
  of_host.state = JobState::running;
  ASSERT_EQ(store_->jobs(of_host)->size(), 1u);
  store_->finish_host_job((*begun)->id, std::nullopt, "[1]");
  store_->finish_host_job((*begun)->id, make_error(Code::internal, "late", ""));
  EXPECT_TRUE(store_->jobs(of_host)->empty());
  EXPECT_EQ(told(), (std::vector<std::string>{"job.started collect-leftovers", "job.finished collect-leftovers"}));
  open();
  const JobPtr kept = *store_->job((*begun)->id);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->state, JobState::completed);
  EXPECT_EQ(kept->outcome, "[1]");
  EXPECT_TRUE(store_->unfinished_host_jobs().empty());
}

TEST_P(HostJobsStoreTest, ARestartedServerFindsWhatIsUnfinished) {
  const HostPtr on = host();
  const VmPtr web = vm("web");
  ASSERT_TRUE(store_->begin_host_job({HostAction::init_host, on->id}));
  ASSERT_TRUE(store_->begin_host_job({HostAction::init_host, on->id})) << "of one kind there may be several";
  const std::string stray = "11111111-1111-4111-8111-111111111111";
  ASSERT_TRUE(store_->begin_host_job({HostAction::remove_unmanaged, on->id, stray}));
  const auto twice = store_->begin_host_job({HostAction::remove_unmanaged, on->id, stray});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason, "job-in-progress");
  EXPECT_EQ(store_->begin_host_job({HostAction::init_host, "nowhere"}).error().reason, "host-not-found");
  open();
  EXPECT_EQ(store_->unfinished_host_jobs().size(), 3u);
  EXPECT_TRUE(store_->unfinished_jobs().empty()) << "they are no VM's";
  EXPECT_EQ(store_->unfinished_host_jobs().front()->owner, store_->activation().id);
  for (const JobPtr& job : store_->unfinished_host_jobs())
    store_->finish_host_job(job->id, make_error(Code::unavailable, "away", "node-unreachable"));
  open();
  EXPECT_TRUE(store_->unfinished_host_jobs().empty());
  EXPECT_EQ(store_->vms().size(), 1u);
}

TEST_P(HostJobsStoreTest, WhileNothingMayBeChangedAHostIsOnlyConnectedTo) {
  const HostPtr on = host();
  ASSERT_TRUE(store_->mark_set_back(on->id, "its node knows better"));
  for (const auto action : {HostAction::collect_leftovers, HostAction::remove_unmanaged}) {
    const auto refused = store_->begin_host_job({action, on->id});
    ASSERT_FALSE(refused) << to_string(action);
    EXPECT_EQ(refused.error().reason, "read-only") << to_string(action);
  }
  EXPECT_TRUE(store_->begin_host_job({HostAction::init_host, on->id}));
}

TEST_P(HostJobsStoreTest, AKeyIsBoundWithTheJobAndFreeAgainWhereItAsksToBeRepeated) {
  const HostPtr on = host();
  const auto begin = [&](const char* key) {
    const auto claim = std::make_shared<Claim>(key, "print");
    const RequestScope scope("r", claim);
    const auto begun = store_->begin_host_job({HostAction::init_host, on->id});
    EXPECT_TRUE(begun);
    EXPECT_EQ(claim->job_id(), (*begun)->id);
    return (*begun)->id;
  };
  const std::string first = begin("k1");
  const std::string second = begin("k2");
  open();
  EXPECT_EQ(store_->kept_key("k1")->value().job_id, first);
  Error away = make_error(Code::unavailable, "away", "node-unreachable");
  store_->finish_host_job(second, away);
  away.retryable = true;
  store_->finish_host_job(first, away);
  EXPECT_FALSE(store_->kept_key("k1")->has_value());
  EXPECT_TRUE(store_->kept_key("k2")->has_value());
}

TEST_P(HostJobsStoreTest, AnAdoptIsAJobOfItsTransaction) {
  const HostPtr on = host();
  const auto claim = std::make_shared<Claim>("k1", "print");
  Adoption all;
  all.host_id = on->id;
  all.above_term = store_->activation().term;
  all.outcome = "{}";
  std::string id;
  {
    const RequestScope scope("r", claim);
    const auto adopted = store_->adopt(all);
    ASSERT_TRUE(adopted) << adopted.error().message;
    id = *adopted;
  }
  open();
  EXPECT_EQ(store_->kept_key("k1")->value().job_id, id);
  ASSERT_EQ(store_->unfinished_host_jobs().size(), 1u);
  EXPECT_EQ(store_->unfinished_host_jobs().front()->action, to_string(HostAction::adopt_host));
  store_->finish_host_job(id, std::nullopt);
  EXPECT_EQ((*store_->job(id))->outcome, "{}");
}

// After a kill the next server may learn of the job's end again; the record must come out the same.
TEST_P(HostJobsStoreTest, TheEndOfAJobIsNotWhenSomethingWasAsked) {
  const HostPtr on = host();
  const VmPtr made = vm("web");
  const auto begun = start(made, on);
  const VmPtr after = store_->finish_job(begun.job.id, JobState::completed, report(made, VmState::running, 1));
  EXPECT_EQ(after->updated_at, begun.vm->updated_at);
}

TEST_P(HostJobsStoreTest, AStopThatIsOnlyMeantIsAJobThatIsDone) {
  const HostPtr on = host();
  const VmPtr web = running("web", on);
  store_->apply_report(on->id, report(web, VmState::shutdown, 2));  // a crash: the desired state stays running
  ASSERT_EQ(store_->vm(web->id)->desired.state, VmState::running);
  const auto before = store_->jobs({})->size();
  const auto claim = std::make_shared<Claim>("k1", "print");
  {
    const RequestScope scope("r", claim);
    ASSERT_TRUE(store_->set_desired(web->id, Action::stop));
  }
  ASSERT_TRUE(store_->set_desired(web->id, Action::force_stop)) << "it is to be so already";
  const auto jobs = store_->jobs({});
  ASSERT_EQ(jobs->size(), before + 1);
  const Job& stop = *jobs->front();
  EXPECT_EQ(stop.action, "stop");
  EXPECT_EQ(stop.state, JobState::completed);
  EXPECT_TRUE(was_done_at_once(stop));
  EXPECT_EQ(stop.vm_id, web->id);
  EXPECT_EQ(claim->job_id(), stop.id);
  open();
  EXPECT_EQ(store_->vm(web->id)->desired.state, VmState::shutdown);
  EXPECT_EQ(store_->vm(web->id)->desired.origin, Origin::user);
  EXPECT_TRUE(*store_->job(stop.id));
  const VmPtr fresh = vm("fresh");
  ASSERT_TRUE(store_->set_desired(fresh->id, Action::stop));
  EXPECT_EQ(store_->vm(fresh->id)->desired.state, VmState::created) << "what never ran needs no stop";
}

// Callers decide on a VM that they have read a moment before. A start or stop may have begun and ended since.
TEST_P(HostJobsStoreTest, AWishNeedsNoJobOnlyWhileTheVmIsAsWished) {
  const HostPtr on = host();
  const VmPtr web = running("web", on);
  const auto late_stop = store_->set_desired(web->id, Action::stop);
  ASSERT_FALSE(late_stop) << "it runs, and nothing would end it";
  EXPECT_EQ(late_stop.error().reason, "changed");
  EXPECT_EQ(store_->vm(web->id)->desired.state, VmState::running);
  const auto stop = store_->begin_job(job(web, Action::stop));
  ASSERT_TRUE(stop) << stop.error().message;
  ASSERT_TRUE(store_->finish_job(stop->job.id, JobState::completed, report(web, VmState::shutdown, 2)));
  const auto before = store_->jobs({})->size();
  const auto late_start = store_->set_desired(web->id, Action::start);
  ASSERT_FALSE(late_start);
  EXPECT_EQ(late_start.error().reason, "changed");
  EXPECT_EQ(store_->vm(web->id)->desired.state, VmState::shutdown);
  EXPECT_EQ(store_->jobs({})->size(), before) << "and no job says that it was done";
  open();
  EXPECT_EQ(store_->vm(web->id)->desired.state, VmState::shutdown);
}

INSTANTIATE_TEST_SUITE_P(, HostJobsStoreTest, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
