// application/problem+json: the form of every error answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/problem_catalogue.hpp"
#include "http/request.hpp"
#include "http/response.hpp"
#include "qarax/result.hpp"

namespace qarax::http {

struct Problem {
  std::string slug;                 // a slug of problem_catalogue()
  std::string detail;               // names the object, the reason and the way out; also `message`
  std::vector<ErrorDetail> errors;  // written when not empty
  std::string hint;                 // empty: the catalogue's hint is used
  std::string job_id;               // written when not empty
  std::string step;                 // the step of the requested operation that failed; written when not empty
  std::vector<std::string> causes;  // outermost first; written when not empty
  std::string log_tail;             // the VMM's last log lines; written when not empty
  std::string console_tail;         // the guest's last console output; written when not empty
  int retry_after_s = 0;            // 0: the catalogue's value is used

  Problem(std::string_view slug_, std::string detail_) : slug(slug_), detail(std::move(detail_)) {}
  // The slug is the error's `reason` if that is in the catalogue, else the default of its code.
  explicit Problem(const Error& error);
};

// Seconds for the Retry-After field; 0: no such field.
int retry_after_s(const Problem& problem);

// The JSON document alone; `instance` is the request's path, `request_id` may be empty.
std::string problem_document(const Problem& problem, std::string_view instance, std::string_view request_id);

// The whole answer with its status, and with Retry-After and WWW-Authenticate if the problem calls for them.
Response problem_response(const Request& request, const Problem& problem);

}  // namespace qarax::http
