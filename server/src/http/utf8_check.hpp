// Checks whether bytes that arrive in pieces are UTF-8 (RFC 3629).
#pragma once

#include <cstdint>
#include <string_view>

namespace qarax::http {

class Utf8Check {
 public:
  // False at the first byte that can't be part of UTF-8; reset() is needed after that.
  bool feed(std::string_view bytes) noexcept {
    for (const char c : bytes) {
      if (!feed(static_cast<unsigned char>(c))) return false;
    }
    return true;
  }
  // True if the bytes so far don't end within a character.
  bool is_whole() const noexcept { return missing_ == 0; }
  void reset() noexcept { *this = Utf8Check(); }

 private:
  bool feed(unsigned char byte) noexcept {
    if (missing_ > 0) {
      const bool fits = byte >= low_ && byte <= high_;
      low_ = 0x80;
      high_ = 0xBF;
      --missing_;
      return fits;
    }
    if (byte < 0x80) return true;
    // The allowed range of the second byte excludes overlong forms, surrogates and anything above U+10FFFF.
    if (byte >= 0xC2 && byte <= 0xDF) {
      missing_ = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      missing_ = 2;
      if (byte == 0xE0) low_ = 0xA0;
      if (byte == 0xED) high_ = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      missing_ = 3;
      if (byte == 0xF0) low_ = 0x90;
      if (byte == 0xF4) high_ = 0x8F;
    } else {
      return false;
    }
    return true;
  }

  int missing_ = 0;
  unsigned char low_ = 0x80;
  unsigned char high_ = 0xBF;
};

}  // namespace qarax::http
