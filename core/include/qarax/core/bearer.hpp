// The static token that a caller sends in an Authorization header, and how the receiver knows it by its digest alone.
// Link qarax::core_digest. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::core {

// The token in an Authorization header's value, without blanks around it; empty: there is none, or the scheme isn't
// Bearer. The case of the scheme doesn't matter (RFC 9110).
std::string_view bearer_token(std::string_view header) noexcept;

// Whether `sha256`, in lower-case hex, or one of several, is the digest of `token`; an empty token is nobody's.
// Compared in constant time. INTERNAL as of sha256_hex(): it isn't known.
Result<bool> is_token_of(std::string_view token, std::string_view sha256);
Result<bool> is_token_of(std::string_view token, std::span<const std::string> sha256);

}  // namespace qarax::core
