// Jobs: begun with the desired state in one transaction, ended with what the node says.
#include <algorithm>
#include <limits>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "request_scope.hpp"
#include "restart.hpp"
#include "rows.hpp"
#include "store_begin.hpp"

namespace qarax::server {

namespace {

constexpr const char* kRecord = "record";

std::string now_text() { return core::to_rfc3339(std::chrono::system_clock::now()); }

bool frees(core::Action action) {
  return action == core::Action::stop || action == core::Action::force_stop || action == core::Action::remove ||
         action == core::Action::drop_snapshot;
}

}  // namespace

void SqlStore::load_jobs(Session& session) {
  for (auto& job : rows::read_unfinished_jobs(session)) jobs_.emplace(job.id, std::move(job));
  JobQuery unfinished;
  unfinished.state = JobState::running;
  unfinished.limit = std::numeric_limits<std::int32_t>::max();
  for (Job& job : rows::read_jobs(session, unfinished)) {
    if (is_host_action(job.action)) host_jobs_.insert(job.id);
    // This server carries them out from now on.
    job.owner = db_->activation().id;
    job.term = db_->activation().term;
    book_.put(std::move(job));
  }
}

// For the end of the load: what follows runs on another thread.
void SqlStore::end_orphaned_jobs() {
  if (jobs_.empty() && host_jobs_.empty()) return;
  std::vector<Job> ended;
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    if (memory_.vm(it->second.vm_id)) {
      ++it;
      continue;
    }
    ended.push_back(ended_job(
        it->first, JobState::failed,
        make_error(Code::not_found, "VM " + it->second.vm_id + " is gone, and with it the reason for this job",
                   "vm-not-found")));
    book_.put(ended.back());
    it = jobs_.erase(it);
  }
  db_->later([this, ended = std::move(ended)](Session& session) {
    for (const Job& job : ended) {
      rows::finish_job(session, job, ran_.seconds());
      events_.add(events::job_finished(job, nullptr));
    }
    rows::take_over_jobs(session, db_->activation());
  });
}

Job SqlStore::new_job(std::string action) const {
  Job job;
  job.id = core::new_ordered_uuid();
  job.action = std::move(action);
  job.owner = db_->activation().id;
  job.term = db_->activation().term;
  if (const RequestScope* request = RequestScope::current()) job.request_id = request->id();
  job.created_at = now_text();
  job.steps.push_back({kRecord, StepState::completed, job.created_at, job.created_at, std::nullopt});
  return job;
}

Job SqlStore::job_done_at_once(std::string action) const {
  Job job = new_job(std::move(action));
  job.state = JobState::completed;
  job.finished_at = job.created_at;
  return job;
}

Job SqlStore::told_of(const JobRecord& job, const VmRecord& vm) const {
  Job out = new_job(std::string(core::to_string(job.action)));
  out.id = job.id;
  out.vm_id = vm.id;
  out.vm_name = vm.name;
  out.host_id = vm.host_id.value_or("");
  out.revision = job.revision;
  out.incarnation = job.incarnation;
  out.request_id = job.request_id;
  return out;
}

Job SqlStore::ended_job(const std::string& id, JobState state, const std::optional<Error>& error) const {
  const JobPtr known = book_.find(id);
  Job job = known ? *known : Job{};
  job.id = id;
  job.state = state;
  job.error = error;
  job.finished_at = now_text();
  for (JobStep& step : job.steps) {
    if (step.state != StepState::running) continue;
    step.state = state == JobState::completed ? StepState::completed : StepState::failed;
    step.finished_at = job.finished_at;
  }
  return job;
}

Result<JobPtr> SqlStore::job(const std::string& id) {
  if (JobPtr known = book_.find(id)) return known;
  std::optional<Job> stored;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    stored = rows::read_job(session, id);
    return Ok{};
  }));
  return stored ? std::make_shared<const Job>(std::move(*stored)) : JobPtr();
}

Result<std::vector<JobPtr>> SqlStore::jobs(const JobQuery& query) {
  std::vector<Job> stored;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    stored = rows::read_jobs(session, query);
    return Ok{};
  }));
  std::vector<JobPtr> out;
  for (Job& one : stored) {
    // The steps of what is under way are in memory only.
    JobPtr known = one.state == JobState::running ? book_.find(one.id) : nullptr;
    out.push_back(known ? std::move(known) : std::make_shared<const Job>(std::move(one)));
  }
  return out;
}

Status SqlStore::plan_job(Session& session, const BeginJob& asked, Begin& plan) {
  const VmPtr before = memory_.vm(asked.vm_id);
  if (!before) return make_error(Code::not_found, "there is no VM " + asked.vm_id, "vm-not-found");
  const JobRecord* unfinished = nullptr;
  if (const auto found = jobs_.find(before->job_id); found != jobs_.end()) unfinished = &found->second;
  QARAX_CHECK(check_free(*before, unfinished, asked.action));
  if (asked.expected_version && before->version != *asked.expected_version) return overtaken("VM", before->name);
  // A stop that came in between is a wish, whether it needed a job or not.
  const bool unwanted = asked.origin == Origin::policy && !wants_restart(*before, asked.was_calm);
  if (before->revision != asked.expected_revision || unwanted)
    return make_error(Code::aborted, "VM " + before->name + " was changed meanwhile", "changed");

  VmRecord& vm = plan.vm;
  JobRecord& job = plan.job;
  vm = *before;
  job.vm_id = vm.id;
  job.revision = vm.revision + 1;
  job.action = asked.action;
  job.timeout_ms = asked.timeout_ms;
  job.request_id = asked.request_id;
  job.arguments = asked.arguments;
  job.before = unfinished != nullptr ? unfinished->before : vm.desired;
  vm.revision = job.revision;
  vm.desired = {core::target(asked.action).value_or(vm.desired.state), asked.origin, job.revision};
  vm.activity = core::to_string(asked.action);
  vm.job_id = job.id;
  vm.updated_at = now_text();
  // Taken here, before a node hears of it, and not when what it changes is known.
  if (core::begins(asked.action) || asked.action == core::Action::resize) vm.edition = next_edition(vm);
  // What the caller took for busy has come to its end: it has to find a place first.
  if (core::begins(asked.action) && !asked.placement)
    return make_error(Code::aborted, "VM " + before->name + " was changed meanwhile", "changed");
  if (asked.placement) {
    if (!memory_.host(asked.placement->host_id))
      return make_error(Code::aborted, "the host of VM " + before->name + " was removed meanwhile", "changed");
    ++vm.incarnation;
    if (asked.origin != Origin::policy || asked.was_calm) vm.restart.count = 0;
    if (asked.origin == Origin::policy) ++vm.restart.count;
    vm.host_id = asked.placement->host_id;
    if (vm.hypervisor.empty()) vm.hypervisor = asked.placement->hypervisor;
    vm.observed.hypervisor = asked.placement->hypervisor;
    if (!asked.placement->fallback_reason.empty()) vm.observed.fallback_reason = asked.placement->fallback_reason;
    plan.reservation = Reservation{vm.id, *vm.host_id, vm.incarnation, asked.placement->memory};
    std::int64_t taken = 0;
    for (const auto& [id, other] : reservations_)
      if (other.host_id == *vm.host_id && id != vm.id) taken += other.memory;
    if (taken + asked.placement->memory > asked.placement->capacity)
      return make_error(Code::resource_exhausted, "the host's memory was taken by another VM meanwhile",
                        "no-host-fits");
  }
  job.incarnation = vm.incarnation;
  QARAX_CHECK(plan_subject(asked, unfinished, plan));
  // Whether its node has carried that out, and keeps what was reserved for it, is to be seen at this job's end.
  if (unfinished != nullptr) job.arguments.resize = unfinished->arguments.resize;
  if (asked.only_check) return Ok{};
  if (plan.abandoned) rows::put_snapshot(session, *plan.abandoned);
  if (plan.snapshot) rows::put_snapshot(session, *plan.snapshot);
  plan.told = told_of(job, vm);
  if (unfinished != nullptr) {
    plan.superseded = ended_job(unfinished->id, JobState::superseded, std::nullopt);
    rows::finish_job(session, *plan.superseded, ran_.seconds());
    events_.add(events::job_finished(*plan.superseded, &vm));
  }
  rows::insert_job(session, plan.told, job.before, job.timeout_ms, ran_.seconds(), job.arguments);
  rows::update_vm(session, vm);
  if (plan.reservation) rows::put_reservation(session, *plan.reservation);
  events_.add(events::job_started(plan.told, &vm));
  return Ok{};
}

// What the job changes, on top of what the node has reported since it was planned.
VmPtr SqlStore::publish(const Begin& plan) {
  return memory_.update(plan.vm.id, [&](VmRecord& vm) {
    vm.revision = plan.vm.revision;
    vm.edition = plan.vm.edition;
    vm.incarnation = plan.vm.incarnation;
    vm.host_id = plan.vm.host_id;
    vm.hypervisor = plan.vm.hypervisor;
    vm.observed.hypervisor = plan.vm.observed.hypervisor;
    vm.observed.fallback_reason = plan.vm.observed.fallback_reason;
    vm.desired = plan.vm.desired;
    vm.restart.count = plan.vm.restart.count;
    vm.activity = plan.vm.activity;
    vm.job_id = plan.vm.job_id;
    vm.updated_at = plan.vm.updated_at;
    return true;
  });
}

Result<BegunJob> SqlStore::begin_job(const BeginJob& asked) {
  Begin plan;
  plan.job.id = RequestScope::new_job_id();
  BegunJob begun;
  // Two starts on one host don't plan side by side: each must see what the other has reserved.
  std::vector<std::string> keys{asked.vm_id};
  if (asked.placement) keys.push_back(asked.placement->host_id);
  if (asked.action == core::Action::resize)
    if (const VmPtr vm = memory_.vm(asked.vm_id); vm && vm->host_id) keys.push_back(*vm->host_id);
  if (asked.only_check) {
    QARAX_CHECK(
        db_->transact({std::move(keys), [&](Session& session) { return plan_job(session, asked, plan); }, [] {}}));
    return begun;
  }
  QARAX_CHECK(transact({std::move(keys), [&](Session& session) { return plan_job(session, asked, plan); },
                        [&] {
                          const std::string superseded = plan.superseded ? plan.superseded->id : "";
                          jobs_.erase(superseded);
                          if (plan.superseded) book_.put(std::move(*plan.superseded));
                          jobs_.emplace(plan.job.id, plan.job);
                          book_.put(plan.told);
                          if (plan.reservation) reservations_[plan.vm.id] = *plan.reservation;
                          publish_subject(plan);
                          begun = {plan.job, publish(plan), superseded};
                        },
                        false, frees(asked.action)},
                       plan.job.id));
  return begun;
}

VmPtr SqlStore::finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report,
                           const std::optional<Error>& error) {
  const std::lock_guard lock(db_->state());
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return nullptr;
  const JobRecord job = found->second;
  jobs_.erase(found);
  const Job ended = ended_job(job_id, state, error);
  const bool current = report && is_current(*report);
  db_->later([this, ended](Session& session) { rows::finish_job(session, ended, ran_.seconds()); });
  VmState before = VmState::unknown;
  VmPtr vm = memory_.update(job.vm_id, [&](VmRecord& changed) {
    before = changed.observed.status.state;
    changed.activity.clear();
    changed.job_id.clear();
    if (state == JobState::failed || state == JobState::cancelled) {
      const std::int64_t revision = changed.desired.revision;
      changed.desired = job.before;
      changed.desired.revision = revision;
    }
    finish_subject(job, state, report, changed);
    if (current) observe(changed, *report, true);
    if (current && state != JobState::completed && job.action != core::Action::resize)
      settle_put_aside(job, *report, changed);
    learn_wish(changed);
    // Of a start that failed the plugin may have ended the VMM in good order: no guest's wish.
    if (!core::begins(job.action)) heed_power_off(changed);
    // Without a word from the node a start that failed before it got there has changed nothing.
    return true;
  });
  // Who waits for the job finds its VM as the job has left it.
  book_.put(ended);
  if (!vm) return nullptr;
  std::vector<Event> happened;
  if (vm->observed.status.state != before) happened.push_back(events::vm_status_changed(*vm, before));
  happened.push_back(events::job_finished(ended, vm.get()));
  save_later(vm->id, std::move(happened));
  settle_reservation(vm);
  return vm;
}

Result<JobPtr> SqlStore::cancel_job(const std::string& job_id) {
  JobPtr marked;
  Database::Change change;
  change.work = [&](Session& session) -> Status {
    rows::mark_cancelling(session, job_id);
    return Ok{};
  };
  change.publish = [&] {
    if (jobs_.contains(job_id)) marked = book_.update(job_id, [](Job& job) { job.cancelling = true; });
  };
  QARAX_CHECK(db_->transact(Database::freeing(std::move(change))));
  return marked;
}

}  // namespace qarax::server
