#include "bearer.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <string>

namespace qarax::agent {

Status check_bearer(std::string_view header, std::string_view sha256) {
  constexpr std::string_view kPrefix = "Bearer ";
  if (!header.starts_with(kPrefix))
    return make_error(Code::unauthenticated, "this node asks for a bearer token; set node.token in the server's config",
                      "unauthorized");
  const std::string_view given = header.substr(kPrefix.size());
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(given.data(), given.size(), digest, &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex.push_back("0123456789abcdef"[digest[i] >> 4]);
    hex.push_back("0123456789abcdef"[digest[i] & 15]);
  }
  if (hex.size() != sha256.size() || CRYPTO_memcmp(hex.data(), sha256.data(), hex.size()) != 0)
    return make_error(Code::unauthenticated,
                      "wrong bearer token: set node.token in the server's config to the token that this node's "
                      "listen.token_sha256 was made from",
                      "unauthorized");
  return Ok{};
}

}  // namespace qarax::agent
