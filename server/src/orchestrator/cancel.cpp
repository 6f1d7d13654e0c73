// Cancels a job: job → the node's Cancel → the plugin's cancel_fd, and back as the node's decision. A job that never
// reached the node is sent and cancelled again, so that the outcome is always the node's.
#include "able.hpp"
#include "orchestrator.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

Result<JobPtr> Orchestrator::cancel(const std::string& job_id, const ActOptions& options) {
  QARAX_TRY(const JobPtr known, check_cancel(job_id, store_, nodes_));
  QARAX_TRY(const JobPtr marked, store_.cancel_job(job_id));
  if (!marked) return has_ended(*known);
  core::logger("jobs")->info("cancelling job={} vm={} action={} request={}", job_id, known->vm_id, known->action,
                             options.request_id);
  dispatcher_.cancel_at_node(job_id);
  JobPtr now = store_.job_book().find(job_id);
  if (!options.respond_async) now = store_.job_book().wait(job_id, std::chrono::milliseconds(options.wait_ms));
  if (!now) return has_ended(*known);
  if (now->state == JobState::running && !options.respond_async)
    return with_job(make_error(Code::deadline_exceeded,
                               "job " + job_id + " hasn't come to its end after " +
                                   std::to_string(options.wait_ms / 1000) + " s; its cancel goes on",
                               "deadline-exceeded"),
                    job_id);
  if (now->state != JobState::running && now->state != JobState::cancelled) return has_ended(*now);
  return now;
}

}  // namespace qarax::server
