#include "request_scope.hpp"

#include <utility>

#include "qarax/core/ids.hpp"

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

std::string RequestScope::new_id() {
  const auto claim = current_claim();
  if (!claim || claim->fingerprint().size() < 32) return core::new_uuid();
  // RFC 9562, version 8: bits of our own choice.
  const std::string& hex = claim->fingerprint();
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-8" + hex.substr(13, 3) + "-a" + hex.substr(17, 3) + "-" +
         hex.substr(20, 12);
}

}  // namespace qarax::server
