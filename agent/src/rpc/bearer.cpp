#include "bearer.hpp"

#include "qarax/core/bearer.hpp"

namespace qarax::agent {

Status check_bearer(std::string_view header, std::string_view sha256) {
  const std::string_view token = core::bearer_token(header);
  if (token.empty())
    return make_error(Code::unauthenticated, "this node asks for a bearer token; set node.token in the server's config",
                      "unauthorized");
  QARAX_TRY(const bool is_it, core::is_token_of(token, sha256));
  if (!is_it)
    return make_error(Code::unauthenticated,
                      "wrong bearer token: set node.token in the server's config to the token that this node's "
                      "listen.token_sha256 was made from",
                      "unauthorized");
  return Ok{};
}

}  // namespace qarax::agent
