#include "handlers/answer.hpp"

#include <string>

#include "http/problem.hpp"

namespace qarax::server {

http::Response refuse(const http::Request& request, Error error) {
  std::string job_id;
  std::string console_tail;
  std::erase_if(error.details, [&](ErrorDetail& detail) {
    if (detail.pointer != "/job_id" && detail.pointer != "/console_tail") return false;
    (detail.pointer == "/job_id" ? job_id : console_tail) = std::move(detail.detail);
    return true;
  });
  http::Problem problem(error);
  problem.job_id = std::move(job_id);
  problem.console_tail = std::move(console_tail);
  return http::problem_response(request, problem);
}

}  // namespace qarax::server
