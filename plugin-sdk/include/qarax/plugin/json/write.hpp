// Writes JSON by appending to a string; the field tables encode with this.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "qarax/plugin/json/value.hpp"

namespace qarax::json {

inline void append_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        out.append("\\\"");
        break;
      case '\\':
        out.append("\\\\");
        break;
      case '\n':
        out.append("\\n");
        break;
      case '\r':
        out.append("\\r");
        break;
      case '\t':
        out.append("\\t");
        break;
      default:
        out.append("\\u00");
        out.push_back(kHex[c >> 4]);
        out.push_back(kHex[c & 15]);
    }
  }
  out.append(text, plain, text.size() - plain);
  out.push_back('"');
}

inline void append_int(std::string& out, std::int64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, static_cast<std::size_t>(end - buffer));
}

inline void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  out.append(text);
  if (text.find_first_of(".e") == std::string_view::npos) out.append(".0");
}

inline void append(std::string& out, const Value& value) {
  if (value.is_null()) {
    out.append("null");
  } else if (const auto* b = value.as_bool()) {
    out.append(*b ? "true" : "false");
  } else if (const auto* i = value.as_int()) {
    append_int(out, *i);
  } else if (const auto* d = value.as_double()) {
    append_double(out, *d);
  } else if (const auto* s = value.as_string()) {
    append_string(out, *s);
  } else if (const auto* a = value.as_array()) {
    out.push_back('[');
    for (std::size_t n = 0; n < a->size(); ++n) {
      if (n != 0) out.push_back(',');
      append(out, (*a)[n]);
    }
    out.push_back(']');
  } else if (const auto* o = value.as_object()) {
    out.push_back('{');
    for (std::size_t n = 0; n < o->size(); ++n) {
      if (n != 0) out.push_back(',');
      append_string(out, (*o)[n].first);
      out.push_back(':');
      append(out, (*o)[n].second);
    }
    out.push_back('}');
  }
}

inline std::string to_text(const Value& value) {
  std::string out;
  append(out, value);
  return out;
}

// A parsed value as `document` spells it, without the white space between its tokens: numbers beyond 64 bits and
// escapes stay as they were written.
inline std::string source_text(const Value& value, std::string_view document) {
  if (value.to() <= value.from() || value.to() > document.size()) return to_text(value);
  std::string out;
  out.reserve(value.to() - value.from());
  bool in_string = false;
  bool escaped = false;
  for (const char c : document.substr(value.from(), value.to() - value.from())) {
    if (in_string) {
      if (!escaped && c == '"') in_string = false;
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      in_string = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      continue;
    }
    out.push_back(c);
  }
  return out;
}

}  // namespace qarax::json
