// Actions and their end. The server answers when an action is done; past its own limit it says 504 and goes on, and so
// do we, as long as --wait allows.
#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

// What the job made or changed; nothing where that is gone.
Result<Document> result_of(ApiClient& api, const json::Value& job) {
  const std::string path = text_of(job, "result");
  return path.empty() ? Document{} : api.get(path);
}

// The job goes on, whoever can be asked about it.
Error out_of_sight(const std::string& job, Error error) {
  if (error.reason != kUnreachable) return error;
  error.reason = kBroken;
  error.message += "; the job may go on, or be done";
  error.details.push_back({std::string(kJobPointer), job});
  return error;
}

// After the server's 504: until the job has ended, and its own word on how. `late` is that answer, and ours when time
// runs out too.
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
    // Only the server's word that its job goes on; a silent server is no reason to poll.
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
