#include "request_scope.hpp"

#include <utility>

namespace qarax::server {

namespace {
thread_local RequestScope* current_scope = nullptr;
}

RequestScope::RequestScope(std::string request_id, std::shared_ptr<Claim> claim)
    : id_(std::move(request_id)), claim_(std::move(claim)), outer_(std::exchange(current_scope, this)) {}

RequestScope::~RequestScope() { current_scope = outer_; }

RequestScope* RequestScope::current() { return current_scope; }

std::shared_ptr<Claim> RequestScope::current_claim() {
  return current_scope == nullptr ? nullptr : current_scope->claim_;
}

std::string RequestScope::new_job_id() {
  const auto claim = current_claim();
  return claim && !claim->is_bound() ? claim->first_job_id() : core::new_ordered_uuid();
}

std::string RequestScope::new_id() {
  const auto claim = current_claim();
  if (!claim) return core::new_uuid();
  const std::string bound = claim->job_id();
  std::string id = bound.empty() ? claim->first_job_id() : bound;
  id[14] = '8';  // RFC 9562: version 8, whose bits the application chooses
  return id;
}

}  // namespace qarax::server
