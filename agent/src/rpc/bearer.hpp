// The static token by which a server authenticates to a node.
#pragma once

#include <string_view>

#include "qarax/result.hpp"

namespace qarax::agent {

// `header`: the value of the authorization header. UNAUTHENTICATED "unauthorized" unless it has the token whose SHA-256
// is `sha256`, in lower-case hex (core's bearer_token() and is_token_of()).
Status check_bearer(std::string_view header, std::string_view sha256);

}  // namespace qarax::agent
