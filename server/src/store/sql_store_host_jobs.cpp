// Jobs at hosts that aren't a VM's job: recorded before they begin, ended with their result.
#include "event_makers.hpp"
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

Result<JobPtr> SqlStore::begin_host_job(const BeginHostJob& asked) {
  Job job = new_job(to_string(asked.action));
  job.host_id = asked.host_id;
  job.vm_id = asked.vm_id;
  job.revision = asked.revision;
  job.outcome = asked.outcome;
  const std::string id = job.id;
  std::vector<std::string> keys{asked.host_id};
  if (!asked.vm_id.empty()) keys.push_back(asked.vm_id);
  Database::Change change;
  change.keys = std::move(keys);
  change.work = [&](Session& session) -> Status {
    if (!memory_.host(asked.host_id)) return no_such_host(asked.host_id);
    if (!asked.vm_id.empty() && memory_.vm(asked.vm_id))
      return make_error(Code::failed_precondition, "VM " + asked.vm_id + " is this server's by now; DELETE it",
                        "wrong-state");
    QARAX_CHECK(check_no_host_job(asked.vm_id));
    rows::insert_job(session, job, {}, 0, ran_.seconds());
    events_.add(events::job_started(job, nullptr));
    return Ok{};
  };
  change.publish = [&] {
    host_jobs_.insert(id);
    book_.put(std::move(job));
  };
  change.while_read_only = is_made_while_read_only(asked.action);
  change.frees = true;
  QARAX_CHECK(transact(std::move(change), id));
  return book_.find(id);
}

// Checks that no job is under way for a VM that the server doesn't know: a VM that is being removed must not be
// adopted, or removed twice.
Status SqlStore::check_no_host_job(const std::string& vm_id) const {
  for (const std::string& other : host_jobs_) {
    const JobPtr known = vm_id.empty() ? nullptr : book_.find(other);
    if (!known || known->vm_id != vm_id) continue;
    return busy(vm_id, known->action, other);
  }
  return Ok{};
}

void SqlStore::finish_host_job(const std::string& job_id, const std::optional<Error>& error,
                               const std::string& outcome) {
  {
    const std::lock_guard lock(db_->state());
    if (host_jobs_.erase(job_id) == 0) return;
    Job ended = ended_job(job_id, error ? JobState::failed : JobState::completed, error);
    if (!outcome.empty()) ended.outcome = outcome;
    const bool again = error && error->retryable;
    db_->later([this, ended, again](Session& session) {
      rows::finish_job(session, ended, ran_.seconds());
      if (again) rows::release_key(session, ended.id);
      events_.add(events::job_finished(ended, nullptr));
    });
    book_.put(std::move(ended));
  }
  db_->flush();
}

std::vector<JobPtr> SqlStore::unfinished_host_jobs() const {
  const std::lock_guard lock(db_->state());
  std::vector<JobPtr> out;
  for (const std::string& id : host_jobs_)
    if (JobPtr job = book_.find(id)) out.push_back(std::move(job));
  return out;
}

}  // namespace qarax::server
