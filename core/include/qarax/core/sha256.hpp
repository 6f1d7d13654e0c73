// SHA-256 digests as text. Link qarax::core_digest for sha256_hex(): qarax::core itself doesn't need OpenSSL.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::core {

// 64 lower-case hexadecimal digits. INTERNAL: OpenSSL can't compute it, for want of memory or by its configuration.
Result<std::string> sha256_hex(std::string_view data);

// Whether the text has the form of a digest as sha256_hex() writes it.
inline bool is_sha256_hex(std::string_view text) noexcept {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace qarax::core
