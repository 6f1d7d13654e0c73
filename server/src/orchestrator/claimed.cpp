// Answers a request that is repeated with its Idempotency-Key because the first answer was lost: it isn't carried out
// again, and the answer comes from the job that it made the first time.
#include "job_waiters.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

Result<VmPtr> Orchestrator::outcome_of(const Job& job, const ActOptions& options) {
  const JobPtr later = job.state == JobState::running
                           ? store_.job_book().wait(job.id, std::chrono::milliseconds(options.wait_ms))
                           : nullptr;
  const Job& ended = later ? *later : job;
  switch (ended.state) {
    case JobState::running:
      return with_job(
          make_error(Code::deadline_exceeded, "the " + job.action + " of VM " + job.vm_name + " is still going on",
                     "deadline-exceeded"),
          job.id);
    case JobState::superseded:
      return with_job(make_error(Code::aborted, "this job was replaced by a later one", "superseded"), job.id);
    case JobState::failed:
    case JobState::cancelled:
      return ended.error.value_or(
          with_job(make_error(Code::internal, "the " + job.action + " of VM " + job.vm_name + " failed"), job.id));
    case JobState::completed:
      break;
  }
  VmPtr vm = store_.vm(job.vm_id);
  if (!vm) return make_error(Code::not_found, "VM " + job.vm_id + " was deleted since", "vm-not-found");
  return vm;
}

}  // namespace qarax::server
