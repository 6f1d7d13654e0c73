// application/problem+json: the one form of every error answer.
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
  std::string slug;                 // one of problem_catalogue()
  std::string detail;               // names the object, the reason and the way out; also `message`
  std::vector<ErrorDetail> errors;  // written when not empty
  std::string hint;                 // empty: the catalogue's
  std::string job_id;               // written when not empty
  std::string step;                 // that failed, of what was asked for; written when not empty
  std::vector<std::string> causes;  // the innermost last; written when not empty
  std::string log_tail;             // the VMM's last words; written when not empty
  std::string console_tail;         // the guest's last words; written when not empty
  int retry_after_s = 0;            // 0: the catalogue's

  Problem(std::string_view slug_, std::string detail_) : slug(slug_), detail(std::move(detail_)) {}
  // `reason` where it is in the catalogue, else the code's default.
  explicit Problem(const Error& error);
};

// What Retry-After says of it; 0: nothing.
int retry_after_s(const Problem& problem);

// The document alone; `instance` is the request's path, `request_id` may be empty.
std::string problem_document(const Problem& problem, std::string_view instance, std::string_view request_id);

// The answer, with its status, Retry-After and WWW-Authenticate where they belong.
Response problem_response(const Request& request, const Problem& problem);
Response problem_response(const Request& request, const Error& error);

}  // namespace qarax::http
