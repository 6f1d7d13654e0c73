#include "http/pipeline.hpp"

#include <spdlog/logger.h>

#include <exception>

#include "http/problem.hpp"
#include "qarax/core/bearer.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::http {

Pipeline::Pipeline(const Router& router, OriginGuard guard, const Authenticator* authenticator,
                   RequestObserver* observer, spdlog::logger& logger)
    : router_(router), guard_(std::move(guard)), authenticator_(authenticator), observer_(observer), logger_(logger) {}

bool Pipeline::accepts(const Request& request) const {
  return authenticator_ == nullptr ||
         authenticator_->accepts(core::bearer_token(request.header("Authorization").value_or("")));
}

std::optional<Problem> Pipeline::authenticate(const Request& request) const {
  if (accepts(request)) return std::nullopt;
  const std::string_view field = request.header("Authorization").value_or("");
  tell_of_refused(request, field.empty() ? "none" : "not_accepted");
  return Problem("unauthorized", field.empty()
                                     ? "this server asks for a bearer token and the request has none"
                                     : "the bearer token is wrong, or the Authorization header isn't 'Bearer TOKEN'");
}

// Logs neither target nor fields: a caller without credentials could write anything into the log with them. (Request
// ids are at most 128 visible ASCII characters.)
void Pipeline::tell_of_refused(const Request& request, std::string_view why) const {
  if (const auto left_out = refused_.pass(plugin::monotonic_ns()))
    logger_.warn("a request's credentials are refused peer={} credentials={} left_out={} request={}", request.peer, why,
                 *left_out, request.request_id);
}

Response Pipeline::no_route(const Request& request, const std::string& allow) const {
  if (request.method == "OPTIONS" && (!allow.empty() || request.path == "*")) {
    return Response::empty(204).with("Allow", allow.empty() ? "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" : allow);
  }
  if (!allow.empty()) {
    return problem_response(request,
                            Problem("method-not-allowed", request.method + " is not a method of " +
                                                              std::string(request.route) + "; it has " + allow))
        .with("Allow", allow);
  }
  Problem problem("route-not-found", "there is no route " + request.path);
  if (request.path.size() > 1 && request.path.back() == '/') problem.hint = "Leave the trailing slash out.";
  return problem_response(request, problem);
}

Pipeline::Admission Pipeline::admit(Request& request) const {
  Admission admission;
  if (const auto problem = guard_.check(request)) {
    admission.refusal = problem_response(request, *problem);
    return admission;
  }
  const Router::Match match = router_.find(request);
  if (match.route == nullptr || match.route->access == Access::authenticated) {
    if (const auto problem = authenticate(request)) {
      admission.refusal = problem_response(request, *problem);
      return admission;
    }
    request.is_authenticated = true;
  } else {
    request.is_authenticated = accepts(request);
    // It is answered all the same, but by how much it is told, whoever guesses tokens sees whether one is right.
    if (!request.is_authenticated && !request.header("Authorization").value_or("").empty())
      tell_of_refused(request, "not_accepted");
  }
  admission.route = match.route;
  if (match.route == nullptr) admission.refusal = no_route(request, match.allow);
  return admission;
}

Response Pipeline::call(const Route& route, const Request& request) const {
  try {
    return route.handler(request);
  } catch (const std::exception& error) {
    logger_.error("handler failed: {} method={} route={} request={}", error.what(), request.method, route.pattern,
                  request.request_id);
  } catch (...) {
    logger_.error("handler failed with an unknown exception method={} route={} request={}", request.method,
                  route.pattern, request.request_id);
  }
  return problem_response(request, Problem("internal", "the server failed while it handled this request"));
}

bool Pipeline::run_stream(const BodyStream& stream, StreamSink& sink, const Request& request) const {
  try {
    stream(sink);
    return true;
  } catch (const std::exception& error) {
    logger_.error("stream failed: {} method={} route={} request={}", error.what(), request.method, request.route,
                  request.request_id);
  } catch (...) {
    logger_.error("stream failed with an unknown exception method={} route={} request={}", request.method,
                  request.route, request.request_id);
  }
  return false;
}

void Pipeline::answered(const Request& request, int status, double seconds) const noexcept {
  if (observer_ != nullptr) observer_->answered(request.method, request.route, status, seconds);
  if (logger_.should_log(spdlog::level::debug)) {
    logger_.debug("answered method={} path={} status={} us={} peer={} request={}", request.method, request.path, status,
                  static_cast<long>(seconds * 1e6), request.peer, request.request_id);
  }
}

}  // namespace qarax::http
