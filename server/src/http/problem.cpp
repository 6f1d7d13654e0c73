#include "http/problem.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace qarax::http {

Problem::Problem(const Error& error)
    : slug(is_problem_slug(error.reason) ? std::string_view(error.reason) : default_slug(error.code)),
      detail(error.message),
      errors(error.details),
      hint(error.hint),
      step(error.step),
      causes(error.causes),
      log_tail(error.log_tail) {
  if (error.retry_after_ms > 0)
    retry_after_s = static_cast<int>(std::min<std::int64_t>((error.retry_after_ms + 999) / 1000, 86400));
  if (!error.log_tail.empty()) detail.append("\n").append(error.log_tail);
}

std::string problem_document(const Problem& problem, std::string_view instance, std::string_view request_id) {
  const ProblemKind& kind = problem_kind(problem.slug);
  const auto member = [](std::string& out, std::string_view name, std::string_view value) {
    out.append(",\"").append(name).append("\":");
    append_json_text(out, value);
  };
  std::string out;
  out.reserve(384 + 2 * problem.detail.size());
  out.append("{\"type\":\"").append(kProblemBase).append(kind.slug).append("\"");
  member(out, "title", kind.title);
  out.append(",\"status\":").append(std::to_string(kind.status));
  const std::string_view detail = problem.detail.empty() ? kind.title : std::string_view(problem.detail);
  member(out, "detail", detail);
  member(out, "message", detail);
  member(out, "instance", instance);
  member(out, "request_id", request_id);
  if (!problem.errors.empty()) {
    out.append(",\"errors\":[");
    for (const ErrorDetail& error : problem.errors) {
      if (out.back() != '[') out.push_back(',');
      out.append("{\"pointer\":");
      append_json_text(out, error.pointer);
      member(out, "detail", error.detail);
      out.push_back('}');
    }
    out.push_back(']');
  }
  const std::string_view hint = problem.hint.empty() ? kind.hint : std::string_view(problem.hint);
  if (!hint.empty()) member(out, "hint", hint);
  if (!problem.job_id.empty()) member(out, "job_id", problem.job_id);
  if (!problem.step.empty()) member(out, "step", problem.step);
  if (!problem.causes.empty()) {
    out.append(",\"causes\":[");
    for (const std::string& cause : problem.causes) {
      if (out.back() != '[') out.push_back(',');
      append_json_text(out, cause);
    }
    out.push_back(']');
  }
  if (!problem.log_tail.empty()) member(out, "log_tail", problem.log_tail);
  if (!problem.console_tail.empty()) member(out, "console_tail", problem.console_tail);
  out.push_back('}');
  return out;
}

int retry_after_s(const Problem& problem) {
  return problem.retry_after_s > 0 ? problem.retry_after_s : problem_kind(problem.slug).retry_after_s;
}

Response problem_response(const Request& request, const Problem& problem) {
  const ProblemKind& kind = problem_kind(problem.slug);
  Response response = Response::make(kind.status, "application/problem+json",
                                     problem_document(problem, request.path, request.request_id));
  if (const int retry = retry_after_s(problem); retry > 0) response.headers.set("Retry-After", std::to_string(retry));
  if (kind.status == 401) response.headers.set("WWW-Authenticate", "Bearer realm=\"qarax\"");
  return response;
}

}  // namespace qarax::http
