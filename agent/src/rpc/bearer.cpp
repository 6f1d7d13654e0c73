#include "bearer.hpp"

#include <openssl/crypto.h>

#include <string>

#include "qarax/core/sha256.hpp"

namespace qarax::agent {

Status check_bearer(std::string_view header, std::string_view sha256) {
  constexpr std::string_view kPrefix = "Bearer ";
  if (!header.starts_with(kPrefix))
    return make_error(Code::unauthenticated, "this node asks for a bearer token; set node.token in the server's config",
                      "unauthorized");
  QARAX_TRY(const std::string hex, core::sha256_hex(header.substr(kPrefix.size())));
  if (hex.size() != sha256.size() || CRYPTO_memcmp(hex.data(), sha256.data(), hex.size()) != 0)
    return make_error(Code::unauthenticated,
                      "wrong bearer token: set node.token in the server's config to the token that this node's "
                      "listen.token_sha256 was made from",
                      "unauthorized");
  return Ok{};
}

}  // namespace qarax::agent
