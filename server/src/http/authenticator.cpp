#include "http/authenticator.hpp"

#include "qarax/core/bearer.hpp"

namespace qarax::http {

TokenAuthenticator::TokenAuthenticator(std::vector<std::string> sha256_hex) : hashes_(std::move(sha256_hex)) {}

bool TokenAuthenticator::accepts(std::string_view token) const {
  const auto is_one = core::is_token_of(token, hashes_);
  return is_one && *is_one;
}

}  // namespace qarax::http
