#include "http/authenticator.hpp"

#include <Poco/DigestEngine.h>
#include <Poco/SHA2Engine.h>

#include "http/text.hpp"

namespace qarax::http {

TokenAuthenticator::TokenAuthenticator(std::vector<std::string> sha256_hex) : hashes_(std::move(sha256_hex)) {}

std::string TokenAuthenticator::hash(std::string_view token) {
  Poco::SHA2Engine engine(Poco::SHA2Engine::SHA_256);
  engine.update(token.data(), token.size());
  return Poco::DigestEngine::digestToHex(engine.digest());
}

bool TokenAuthenticator::accepts(std::string_view token) const {
  if (token.empty()) return false;
  const std::string offered = hash(token);
  bool found = false;
  for (const std::string& stored : hashes_) {
    unsigned difference = stored.size() == offered.size() ? 0U : 1U;
    for (std::size_t i = 0; i < offered.size() && i < stored.size(); ++i) {
      difference |= static_cast<unsigned char>(offered[i]) ^ static_cast<unsigned char>(stored[i]);
    }
    found = found || difference == 0;
  }
  return found;
}

std::string_view bearer_token(std::string_view authorization) noexcept {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size() || !equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme))
    return {};
  return trim_blanks(authorization.substr(kScheme.size()));
}

}  // namespace qarax::http
