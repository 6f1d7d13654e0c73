#include "qarax/core/bearer.hpp"

#include <openssl/crypto.h>

#include <string>

#include "qarax/core/sha256.hpp"

namespace qarax::core {

std::string_view bearer_token(std::string_view header) noexcept {
  constexpr std::string_view kScheme = "bearer ";
  constexpr std::string_view kBlanks = " \t";
  if (header.size() < kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) != kScheme[i]) return {};
  }
  const std::size_t begin = header.find_first_not_of(kBlanks, kScheme.size());
  if (begin == std::string_view::npos) return {};
  return header.substr(begin, header.find_last_not_of(kBlanks) + 1 - begin);
}

Result<bool> is_token_of(std::string_view token, std::span<const std::string> sha256) {
  if (token.empty()) return false;
  QARAX_TRY(const std::string hex, sha256_hex(token));
  bool found = false;
  for (const std::string& one : sha256)
    found = (hex.size() == one.size() && CRYPTO_memcmp(hex.data(), one.data(), hex.size()) == 0) || found;
  return found;
}

Result<bool> is_token_of(std::string_view token, std::string_view sha256) {
  const std::string only(sha256);
  return is_token_of(token, std::span(&only, 1));
}

}  // namespace qarax::core
