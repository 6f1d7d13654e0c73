// UTF-8 helpers, and JSON pointers (RFC 6901), which name a place in a document.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace qarax::json {

// Length of the valid UTF-8 sequence at the start of `text`, 0 if it isn't one (overlong, surrogate, > U+10FFFF, cut).
inline std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  if (text.empty()) return 0;
  const unsigned char c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xE0 && at(1) < 0xA0) return 0;
    if (c == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xF0 && at(1) < 0x90) return 0;
    if (c == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// `cp` is a code point, so at most U+10FFFF.
inline void append_utf8(std::string& out, unsigned cp) {
  const auto tail = [&out](unsigned bits) { out.push_back(static_cast<char>(0x80 | (bits & 0x3F))); };
  if (cp < 0x80) {
    out.push_back(static_cast<char>(cp));
  } else if (cp < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (cp >> 6)));
    tail(cp);
  } else if (cp < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (cp >> 12)));
    tail(cp >> 6);
    tail(cp);
  } else {
    out.push_back(static_cast<char>(0xF0 | (cp >> 18)));
    tail(cp >> 12);
    tail(cp >> 6);
    tail(cp);
  }
}

// Replaces every byte that isn't valid UTF-8 with U+FFFD, for text from plugins and guests that goes into a document.
inline std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    if (n == 0) {
      out.append("\xEF\xBF\xBD");
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, n));
      text.remove_prefix(n);
    }
  }
  return out;
}

// Appends a step, escaped, to a JSON pointer such as "/disks/2" (RFC 6901).
inline void append_pointer(std::string& pointer, std::string_view key) {
  pointer.push_back('/');
  for (const char c : key) {
    if (c == '~')
      pointer.append("~0");
    else if (c == '/')
      pointer.append("~1");
    else
      pointer.push_back(c);
  }
}
inline std::string pointer_to(std::string_view base, std::string_view key) {
  std::string out(base);
  append_pointer(out, key);
  return out;
}

}  // namespace qarax::json
