// `qarax jobs`, `job` and `cancel`: lists jobs, shows one or waits for its end, cancels one.
#include <algorithm>

#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

// How long the server may wait for a job's end in one request; after that it is asked again.
constexpr std::chrono::seconds kOneLook{30};
constexpr std::chrono::seconds kAnswer{10};  // additional time for the answer itself

std::string path_of(const std::string& id) { return "/jobs/" + percent_encoded(id); }

std::string error_of(const json::Value& job) {
  const json::Value* error = job.find("error");
  return error == nullptr ? std::string() : text_of(*error, "detail");
}

std::string about(const json::Value& job) {
  const std::string vm = text_of(job, "vm_name");
  return vm.empty() ? text_of(job, "host_id") : vm;
}

std::string steps_of(const json::Value& job) {
  std::string out;
  const json::Value* steps = job.find("steps");
  if (steps == nullptr || steps->as_array() == nullptr) return out;
  for (const json::Value& step : *steps->as_array()) {
    if (!out.empty()) out += '\n';
    out += text_of(step, "name") + " " + text_of(step, "state") + " " + text_of(step, "started_at");
    if (const std::string end = text_of(step, "finished_at"); !end.empty()) out += " to " + end;
    if (const std::string detail = text_of(step, "detail"); !detail.empty()) out += " (" + detail + ")";
  }
  return out;
}

// "75 % (memory 3 of 4)", and without what isn't known.
std::string progress_of(const json::Value& job) {
  const auto percent = integer_of(job, "progress");
  if (!percent) return {};
  std::string out = std::to_string(*percent) + " %";
  const json::Value* detail = job.find("progress_detail");
  if (detail == nullptr || detail->as_object() == nullptr) return out;
  out += " (" + text_of(*detail, "step");
  const auto done = integer_of(*detail, "done");
  const auto total = integer_of(*detail, "total");
  if (done && total && *total > 0) out += " " + std::to_string(*done) + " of " + std::to_string(*total);
  return out + ")";
}

void print(const Context& context, const Document& job) {
  if (context.arguments.json()) {
    context.out << job.text << '\n';
    return;
  }
  context.out << field_list({{"id", text_of(job.value, "id")},
                             {"action", text_of(job.value, "action")},
                             {"of", about(job.value)},
                             {"state", text_of(job.value, "state")},
                             {"progress", progress_of(job.value)},
                             {"began", text_of(job.value, "created_at")},
                             {"ended", text_of(job.value, "finished_at")},
                             {"steps", steps_of(job.value)},
                             {"error", error_of(job.value)},
                             {"request", text_of(job.value, "request_id")}});
}

}  // namespace

Result<Document> look_at_job(ApiClient& api, const std::string& id, Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  const auto look = std::clamp<std::chrono::milliseconds>(left, std::chrono::milliseconds(0), kOneLook);
  QARAX_TRY(Reply reply, api.call({.path = path_of(id) + "?wait=" + std::to_string(look.count()) + "ms",
                                   .until = Clock::now() + look + kAnswer}));
  return parse_document(std::move(reply.body));
}

Error failure_of_job(const json::Value& job) {
  const std::string id = text_of(job, "id");
  const json::Value* problem = job.find("error");
  Error error = problem != nullptr && problem->as_object() != nullptr
                    ? error_of_problem(*problem)
                    : make_error(Code::failed_precondition,
                                 "the " + text_of(job, "action") + " of " + about(job) +
                                     " was not carried out: its job is " + text_of(job, "state"),
                                 text_of(job, "state"));
  if (job_of(error).empty()) error.details.push_back({std::string(kJobPointer), id});
  return error;
}

Status jobs(const Context& context) {
  std::string path = "/jobs?limit=" + std::to_string(context.arguments.tail.value_or(50));
  if (!context.arguments.status.empty()) path += "&state=" + percent_encoded(context.arguments.status);
  if (!context.arguments.host.empty()) {
    QARAX_TRY(const Document host, find_host(context.api, context.arguments.host));
    path += "&host_id=" + percent_encoded(text_of(host.value, "id"));
  }
  if (!context.arguments.target.empty()) {
    // A deleted VM can only be named by its id.
    std::string id = context.arguments.target;
    auto vm = find_vm(context.api, id);
    if (!vm && !is_uuid(id)) return std::move(vm).error();
    if (vm) id = text_of(vm->value, "id");
    path += "&vm_id=" + percent_encoded(id);
  }
  QARAX_TRY(const Document all, context.api.get(path));
  if (context.arguments.json()) {
    context.out << all.text << '\n';
    return Ok{};
  }
  if (element_count(all) == 0) {
    context.note << "no jobs match\n";
    return Ok{};
  }
  Table table({"BEGAN", "ACTION", "OF", "STATE", "ID", "WHY"});
  for (std::size_t i = 0; i < element_count(all); ++i) {
    const json::Value job = element(all, i).value;
    table.add({text_of(job, "created_at"), text_of(job, "action"), about(job), text_of(job, "state"),
               text_of(job, "id"), error_of(job)});
  }
  context.out << table.text(context.colour);
  return Ok{};
}

Status job(const Context& context) {
  const std::string& id = context.arguments.target;
  const auto until = context.api.deadline();
  QARAX_TRY(Document now, context.api.get(path_of(id)));
  while (context.arguments.until_end && text_of(now.value, "state") == "running") {
    if (Clock::now() >= until) {
      print(context, now);
      return make_error(Code::deadline_exceeded, "job " + id + " is still going on", std::string(kTimeout));
    }
    QARAX_TRY(now, look_at_job(context.api, id, until));
  }
  print(context, now);
  return Ok{};
}

Status cancel(const Context& context) {
  QARAX_TRY(Reply reply, context.api.call({.method = "DELETE", .path = path_of(context.arguments.target)}));
  QARAX_TRY(const Document job, parse_document(std::move(reply.body)));
  print(context, job);
  return Ok{};
}

}  // namespace qarax::cli
