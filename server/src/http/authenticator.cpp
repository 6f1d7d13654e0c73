#include "http/authenticator.hpp"

#include "qarax/core/bearer.hpp"

namespace qarax::http {

TokenAuthenticator::TokenAuthenticator(std::vector<std::string> sha256_hex) : hashes_(std::move(sha256_hex)) {}

bool TokenAuthenticator::accepts(std::string_view token) const {
  bool found = false;
  for (const std::string& stored : hashes_) {
    const auto is_it = core::is_token_of(token, stored);
    found = (is_it && *is_it) || found;
  }
  return found;
}

}  // namespace qarax::http
