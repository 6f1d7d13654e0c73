#include "handlers/job_document.hpp"

#include <algorithm>

#include "handlers/document_parts.hpp"
#include "http/problem.hpp"
#include "store/record_action.hpp"

namespace qarax::server {

namespace {

std::optional<std::string> path_of_result(const Job& job) {
  if (job.state != JobState::completed || job.action == core::to_string(core::Action::remove) ||
      job.action == kRemoveHost)
    return std::nullopt;
  if (job.action == to_string(HostAction::remove_unmanaged)) return std::nullopt;
  if (job.action == core::to_string(core::Action::snapshot) && !job.snapshot.empty())
    return "/vms/" + job.vm_id + "/snapshots/" + job.snapshot;
  return job.vm_id.empty() ? "/hosts/" + job.host_id : "/vms/" + job.vm_id;
}

std::int32_t progress_of(const Job& job) {
  if (job.state == JobState::completed) return 100;
  // A job that isn't done at once has two steps: it is recorded, and its node carries it out.
  std::int32_t done = 0;
  for (const JobStep& step : job.steps) done += step.state == StepState::completed ? 1 : 0;
  std::int32_t percent = done * 50;
  if (job.progress && job.progress->total > 0)
    percent += static_cast<std::int32_t>(
        50.0 * std::min(1.0, static_cast<double>(job.progress->done) / static_cast<double>(job.progress->total)));
  return std::min(percent, 99);
}

}  // namespace

api::Job job_document(const Job& job) {
  api::Job out;
  out.id = job.id;
  out.action = job.action;
  out.state = job.state;
  out.progress = progress_of(job);
  out.progress_detail = job.progress;
  out.cancellable = can_be_cancelled(job);
  out.vm_id = unless_empty(job.vm_id);
  out.vm_name = unless_empty(job.vm_name);
  out.host_id = unless_empty(job.host_id);
  out.steps = job.steps;
  out.result = path_of_result(job);
  if (job.state == JobState::completed && !job.outcome.empty()) out.outcome.text = job.outcome;
  if (job.error) {
    const std::string text = http::problem_document(http::Problem(*job.error), "/jobs/" + job.id, job.request_id);
    if (auto problem = decode<api::Problem>(std::string_view(text), Unknown::ignore)) out.error = std::move(*problem);
  }
  out.revision = job.revision;
  out.incarnation = job.incarnation;
  out.request_id = job.request_id;
  out.owner = job.owner;
  out.term = job.term;
  out.created_at = job.created_at;
  out.finished_at = unless_empty(job.finished_at);
  return out;
}

}  // namespace qarax::server
