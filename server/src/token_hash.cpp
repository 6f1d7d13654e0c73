#include "token_hash.hpp"

#include "qarax/core/sha256.hpp"

namespace qarax::server {

namespace {

constexpr std::size_t kShortestToken = 16;

}  // namespace

Result<std::string> token_hash(std::istream& in) {
  std::string token;
  std::getline(in, token);
  if (token.empty())
    return make_error(Code::invalid_argument,
                      "--hash-token found no token on standard input; for example: qarax-server --hash-token <token");
  if (token.size() < kShortestToken)
    return make_error(Code::invalid_argument,
                      "the token has " + std::to_string(token.size()) + " characters and needs at least " +
                          std::to_string(kShortestToken) +
                          ", since a short one can be guessed. Make one with: openssl rand -hex 32");
  return core::sha256_hex(token);
}

}  // namespace qarax::server
