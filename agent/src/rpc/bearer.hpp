// The static token that a server shows a node.
#pragma once

#include <string_view>

#include "qarax/result.hpp"

namespace qarax::agent {

// `header`: what authorization says. UNAUTHENTICATED "unauthorized" unless it is "Bearer " and the token of which
// `sha256` is the digest, in lower-case hex; compared in constant time.
Status check_bearer(std::string_view header, std::string_view sha256);

}  // namespace qarax::agent
