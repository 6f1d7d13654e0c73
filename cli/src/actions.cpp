// Carries out actions and waits for their end. The server answers when an action is done. After its own time limit it
// answers 504 while the job goes on; the CLI then follows the job for as long as --wait allows.
#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

// The object that the job created or changed; an empty document if it no longer exists.
Result<Document> result_of(ApiClient& api, const json::Value& job) {
  const std::string path = text_of(job, "result");
  return path.empty() ? Document{} : api.get(path);
}

// Marks a lost connection during a job: the job may go on although the server can't be asked about it.
Error out_of_sight(const std::string& job, Error error) {
  if (error.reason != kUnreachable) return error;
  error.reason = kBroken;
  error.message += "; the job may go on, or be done";
  error.details.push_back({std::string(kJobPointer), job});
  return error;
}

// Called after the server's 504, which is `late`: waits until the job has ended and returns its own result or error.
// Returns `late` if the time runs out here too.
Result<Document> wait_for_job(ApiClient& api, const std::string& id, Error late, Clock::time_point until) {
  for (;;) {
    const auto job = look_at_job(api, id, until);
    if (!job) return out_of_sight(id, job.error());
    const std::string state = text_of(job->value, "state");
    if (state == "completed") return result_of(api, job->value);
    if (state != "running") return failure_of_job(job->value);
    if (Clock::now() >= until) return late;
  }
}

}  // namespace

Result<Document> act_on(const Context& context, const json::Value& vm, const std::string& action) {
  return carry_out(context, vm, {.method = "POST", .path = vm_path(vm, "/" + action)});
}

Result<Document> carry_out(const Context& context, const json::Value& vm, Request request) {
  ApiClient& api = context.api;
  const auto until = api.deadline();
  request.respond_async = context.arguments.wait.count() == 0;
  request.until = until;
  auto reply = api.call(request);
  if (!reply) {
    // Follow the job only if the server said that it goes on; a server that doesn't answer isn't polled.
    const std::string job = job_of(reply.error());
    if (reply.error().reason != kTimeout || job.empty()) return std::move(reply).error();
    return wait_for_job(api, job, std::move(reply).error(), until);
  }
  if (reply->status == 204) return Document{};
  if (reply->status != 202) return parse_document(std::move(reply->body));
  QARAX_TRY(const Document accepted, parse_document(std::move(reply->body)));
  const std::string job = text_of(accepted.value, "job_id");
  context.note << "job " << printable(job) << " carries it out\n";
  return api.get(context.arguments.json() ? "/jobs/" + percent_encoded(job) : vm_path(vm));
}

}  // namespace qarax::cli
