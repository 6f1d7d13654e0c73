// Actions and their end. The server answers when an action is done; past its own limit it says 504 and goes on, and so
// do we, as long as --wait allows.
#include <thread>

#include "commands.hpp"
#include "problem.hpp"

namespace qarax::cli {

namespace {

constexpr std::chrono::milliseconds kPoll{250};

bool is_where(std::string_view action, const json::Value& vm) {
  const std::string status = text_of(vm, "status");
  if (action == "stop" || action == "force-stop") return status == "shutdown" || status == "created";
  return status == (action == "pause" ? "paused" : "running");
}

// After the server's 504: until no job works on the VM any more. `late` is that answer, and ours when time runs out
// too.
Result<Document> wait_for_job(ApiClient& api, const json::Value& vm, const std::string& action, const Reached& reached,
                              Error late, Clock::time_point until) {
  while (Clock::now() + kPoll < until) {
    std::this_thread::sleep_for(kPoll);
    QARAX_TRY(Reply reply, api.call({.path = vm_path(vm), .until = until}));
    QARAX_TRY(Document now, parse_document(std::move(reply.body)));
    if (!text_of(now.value, "activity").empty()) continue;
    if (reached(now.value)) return now;
    const std::string reason = text_of(now.value, "status_reason");
    return make_error(Code::failed_precondition,
                      "VM " + text_of(vm, "name") + ": " + action + " ended, and the VM is " +
                          text_of(now.value, "status") + (reason.empty() ? "" : ": " + reason),
                      "wrong-state");
  }
  return late;
}

}  // namespace

Result<Document> act_on(const Context& context, const json::Value& vm, const std::string& action) {
  return carry_out(context, vm, action, {.method = "POST", .path = vm_path(vm, "/" + action)},
                   [&](const json::Value& now) { return is_where(action, now); });
}

Result<Document> carry_out(const Context& context, const json::Value& vm, const std::string& action, Request request,
                           const Reached& reached) {
  ApiClient& api = context.api;
  const auto until = api.deadline();
  request.respond_async = context.arguments.wait.count() == 0;
  request.until = until;
  auto reply = api.call(request);
  if (!reply) {
    // Only the server's word that its job goes on; a silent server is no reason to poll.
    const bool goes_on = reply.error().reason == kTimeout && !reply.error().details.empty();
    if (!goes_on) return std::move(reply).error();
    return wait_for_job(api, vm, action, reached, std::move(reply).error(), until);
  }
  if (reply->status == 204) return Document{};
  if (reply->status != 202) return parse_document(std::move(reply->body));
  QARAX_TRY(const Document accepted, parse_document(std::move(reply->body)));
  context.note << "job " << text_of(accepted.value, "job_id") << " carries it out\n";
  return api.get(vm_path(vm));
}

}  // namespace qarax::cli
