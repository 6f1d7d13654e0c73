#include "problem.hpp"

#include <algorithm>

#include "document.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

Code code_of(int status) {
  switch (status) {
    case 401:
      return Code::unauthenticated;
    case 403:
      return Code::permission_denied;
    case 404:
      return Code::not_found;
    case 409:
    case 412:
      return Code::failed_precondition;
    case 429:
      return Code::resource_exhausted;
    case 501:
      return Code::unimplemented;
    case 503:
      return Code::unavailable;
    case 504:
      return Code::deadline_exceeded;
    default:
      return status < 500 ? Code::invalid_argument : Code::internal;
  }
}

// The command to suggest after a failure with this reason. "%" is replaced by the VM; in `of_host` by the host.
struct Next {
  std::string_view reason;
  std::string_view command;
  std::string_view of_host = "qarax jobs --host %";  // used if the failed command was about a host
};
constexpr Next kNext[] = {
    {kVmNotFound, "qarax list"},
    {kHostNotFound, "qarax hosts"},
    {"host-in-use", "qarax list"},
    {"name-taken", "qarax show %", "qarax hosts"},
    {kSnapshotNotFound, "qarax snapshots %"},
    {"disk-full", "qarax snapshots %"},
    {"wrong-state", "qarax why %"},
    {"job-in-progress", "qarax show %"},
    {"conflict", "qarax show %"},
    {"no-host-fits", "qarax hosts"},
    {"hypervisor-unavailable", "qarax plugins"},
    {"unsupported-by-hypervisor", "qarax plugins"},
    {"boot-files-missing", "qarax plugins"},
    {"vmm-failed", "qarax why %"},
    {"node-unreachable", "qarax hosts"},
    {"node-recovering", "qarax why %"},
    {kTimeout, "qarax why %"},
    {kBroken, "qarax why %", "qarax hosts"},
    {"unauthorized", "export QARAX_TOKEN=…, or give --token"},
};

std::string filled_in(std::string command, const std::string& name) {
  const auto place = command.find('%');
  return place == std::string::npos ? command : command.replace(place, 1, name);
}

std::string next_command(const Error& error, const Subject& subject) {
  const auto* row =
      std::find_if(std::begin(kNext), std::end(kNext), [&](const Next& next) { return next.reason == error.reason; });
  if (row == std::end(kNext)) return {};
  std::string command(row->command);
  if (!subject.vm.empty() || command.find('%') == std::string::npos) return filled_in(command, subject.vm);
  if (const std::string job = job_of(error); !job.empty()) return "qarax job " + job;
  return subject.host.empty() ? std::string() : filled_in(std::string(row->of_host), subject.host);
}

}  // namespace

ExitCode exit_code(const Error& error) {
  if (error.reason == kUsage) return kWrongUsage;
  if (error.reason == kUnreachable || error.reason == kBroken) return kNotReachable;
  return error.code == Code::deadline_exceeded ? kTimedOut : kRefused;
}

Error problem_error(int status, std::string_view content_type, std::string_view body) {
  const auto document = json::parse(body);
  if (!content_type.starts_with("application/problem+json") || !document) {
    Error error = make_error(
        Code::unavailable,
        "HTTP " + std::to_string(status) + ", and not in the form of a qarax server: something else answered",
        std::string(kUnreachable));
    error.hint = "Is the URL that of a qarax-server? A proxy in between answers in its own words.";
    return error;
  }
  Error error = error_of_problem(*document);
  error.code = code_of(status);
  return error;
}

Error error_of_problem(const json::Value& problem) {
  const std::string type = text_of(problem, "type");
  const int status = static_cast<int>(integer_of(problem, "status").value_or(500));
  Error error = make_error(code_of(status), text_of(problem, "detail"), type.substr(type.rfind('/') + 1));
  if (error.message.empty()) error.message = text_of(problem, "title");
  error.hint = text_of(problem, "hint");
  if (const json::Value* errors = problem.find("errors"); errors != nullptr && errors->as_array() != nullptr)
    for (const json::Value& one : *errors->as_array())
      error.details.push_back({text_of(one, "pointer"), text_of(one, "detail")});
  if (const std::string job = text_of(problem, "job_id"); !job.empty())
    error.details.push_back({std::string(kJobPointer), job});
  return error;
}

std::string job_of(const Error& error) {
  for (const ErrorDetail& detail : error.details)
    if (detail.pointer == kJobPointer) return detail.detail;
  return {};
}

std::string render_error(const Error& error, const Subject& subject) {
  std::string out = "qarax: " + printable(error.message) + "\n";
  for (const ErrorDetail& detail : error.details) {
    if (detail.pointer == kJobPointer) continue;
    // Skip details that the message already contains; with a single detail it often does.
    const std::string line = (detail.pointer.empty() ? "" : detail.pointer + ": ") + detail.detail;
    if (error.message.find(line) == std::string::npos) out += "  " + printable(line) + "\n";
  }
  if (!error.hint.empty()) out += "  hint: " + printable(error.hint) + "\n";
  if (const std::string job = job_of(error); !job.empty()) out += "  job:  " + printable(job) + "\n";
  if (const std::string next = next_command(error, subject); !next.empty()) out += "  next: " + printable(next) + "\n";
  return out;
}

}  // namespace qarax::cli
