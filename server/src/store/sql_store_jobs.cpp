// Jobs: loading, what clients see of them, and their end. Their begin is in sql_store_begin.cpp.
#include <algorithm>
#include <limits>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "request_scope.hpp"
#include "rows.hpp"
#include "store_begin.hpp"
#include "vm_transitions.hpp"

namespace qarax::server {

namespace {

constexpr const char* kRecord = "record";

}  // namespace

void SqlStore::load_jobs(Session& session) {
  for (auto& job : rows::read_unfinished_jobs(session)) jobs_.emplace(job.id, std::move(job));
  JobQuery unfinished;
  unfinished.state = JobState::running;
  unfinished.limit = std::numeric_limits<std::int32_t>::max();
  for (Job& job : rows::read_jobs(session, unfinished)) {
    if (host_action_named(job.action)) host_jobs_.insert(job.id);
    // This server carries them out from now on.
    job.owner = db_->activation().id;
    job.term = db_->activation().term;
    book_.put(std::move(job));
  }
}

// Called at the end of the load: the queued work runs on another thread.
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

Job SqlStore::new_job(std::string_view action) const {
  Job job;
  job.id = core::new_ordered_uuid();
  job.action = action;
  job.owner = db_->activation().id;
  job.term = db_->activation().term;
  if (const RequestScope* request = RequestScope::current()) job.request_id = request->id();
  job.created_at = now_text();
  job.steps.push_back({kRecord, StepState::completed, job.created_at, job.created_at, std::nullopt});
  return job;
}

Job SqlStore::job_done_at_once(std::string_view action) const {
  Job job = new_job(action);
  job.state = JobState::completed;
  job.finished_at = job.created_at;
  return job;
}

Job SqlStore::told_of(const JobRecord& job, const VmRecord& vm) const {
  Job out = new_job(core::to_string(job.action));
  out.id = job.id;
  out.vm_id = vm.id;
  out.vm_name = vm.name;
  out.host_id = vm.host_id.value_or("");
  out.revision = job.revision;
  out.incarnation = job.incarnation;
  out.request_id = job.request_id;
  out.snapshot = job.arguments.snapshot;
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
    // The steps of a running job are in memory only.
    JobPtr known = one.state == JobState::running ? book_.find(one.id) : nullptr;
    out.push_back(known ? std::move(known) : std::make_shared<const Job>(std::move(one)));
  }
  return out;
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
    end_job(changed, job, state);
    finish_subject(job, state, report, changed);
    const bool observed = current && observe(changed, *report, ReportOf::job, clock_->wall());
    if (!observed && report && state != JobState::completed && core::begins(job.action))
      observe_unbegun(changed, *report, clock_->wall());
    if (current && state != JobState::completed && job.action != core::Action::resize)
      settle_put_aside(job, *report, changed);
    learn_wish(changed);
    // When a start fails, the plugin may have ended the VMM in good order; that is no power-off by the guest. After one
    // that succeeded the guest may have powered off already: what was reported of it then found the job still open.
    if (!core::begins(job.action) || state == JobState::completed) heed_power_off(changed);
    settle_reservation(changed);
    // A start that failed before it reached the node comes without a report and has changed nothing.
    return true;
  });
  // The job ends after the VM is updated, so that callers who wait for it find the VM as the job left it.
  book_.put(ended);
  if (!vm) return nullptr;
  std::vector<Event> happened;
  if (vm->observed.status.state != before) happened.push_back(events::vm_status_changed(*vm, before));
  happened.push_back(events::job_finished(ended, vm.get()));
  save_later(vm->id, std::move(happened));
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
  change.frees = true;
  QARAX_CHECK(db_->transact(std::move(change)));
  return marked;
}

}  // namespace qarax::server
