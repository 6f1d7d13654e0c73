// Tokenizer of a JSON text, with a current position. If a token can't be read, it returns what is wrong, in words for
// the document's author, and the position is at the fault.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "qarax/plugin/json/text.hpp"
#include "qarax/plugin/json/value.hpp"

namespace qarax::json {

class Tokens {
 public:
  using Fault = const char*;  // null: none

  explicit Tokens(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }
  // The next byte; at the end NUL, with which no token begins.
  char next() const { return at_end() ? '\0' : text_[at_]; }

  void skip_space() {
    while (next() == ' ' || next() == '\t' || next() == '\n' || next() == '\r') ++at_;
  }

  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  // Call it at the opening quote.
  Fault string(std::string& out) {
    ++at_;
    while (!at_end()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, nullptr;
      if (c == '\\') {
        ++at_;
        if (const Fault fault = escape(out)) return fault;
      } else if (c < 0x20) {
        return c == 0 ? "NUL character in a string" : "control character in a string";
      } else {
        const std::size_t n = utf8_length(text_.substr(at_, 4));
        if (n == 0) return "invalid UTF-8";
        out.append(text_, at_, n);
        at_ += n;
      }
    }
    return "the document ends inside a string";
  }

  Fault number(Value& out) {
    const std::size_t from = at_;
    take('-');
    const std::size_t first = at_;
    if (!digits()) return at_ = from, "expected a value";
    if (text_[first] == '0' && at_ - first > 1) return "a number can't start with 0";
    bool integer = true;
    if (take('.')) {
      integer = false;
      if (!digits()) return "digits must follow the decimal point";
    }
    if (take('e') || take('E')) {
      integer = false;
      if (!take('+')) take('-');
      if (!digits()) return "digits must follow the exponent";
    }
    const char* begin = text_.data() + from;
    const char* end = text_.data() + at_;
    if (integer) {
      std::int64_t value = 0;
      if (std::from_chars(begin, end, value).ec == std::errc{}) return out = Value(value), nullptr;
    }
    double value = 0;
    if (std::from_chars(begin, end, value).ec != std::errc{}) return "number out of range";
    return out = Value(value), nullptr;
  }

 private:
  bool digits() {
    const std::size_t from = at_;
    while (next() >= '0' && next() <= '9') ++at_;
    return at_ > from;
  }

  bool hex4(unsigned& out) {
    if (at_ + 4 > text_.size()) return false;
    const char* begin = text_.data() + at_;
    const auto read = std::from_chars(begin, begin + 4, out, 16);
    if (read.ec != std::errc{} || read.ptr != begin + 4) return false;
    at_ += 4;
    return true;
  }

  Fault escape(std::string& out) {
    if (at_end()) return "the document ends inside a string";
    switch (const char c = text_[at_++]) {
      case '"':
      case '\\':
      case '/':
        out.push_back(c);
        return nullptr;
      case 'b':
        out.push_back('\b');
        return nullptr;
      case 'f':
        out.push_back('\f');
        return nullptr;
      case 'n':
        out.push_back('\n');
        return nullptr;
      case 'r':
        out.push_back('\r');
        return nullptr;
      case 't':
        out.push_back('\t');
        return nullptr;
      case 'u':
        return code_point(out);
      default:
        return "unknown escape in a string";
    }
  }

  // Call it behind "\u".
  Fault code_point(std::string& out) {
    unsigned cp = 0;
    if (!hex4(cp)) return "bad \\u escape";
    if (cp == 0) return "NUL character in a string";
    if (cp >= 0xDC00 && cp <= 0xDFFF) return "lone surrogate in a string";
    if (cp >= 0xD800 && cp <= 0xDBFF) {
      unsigned low = 0;
      if (!take("\\u") || !hex4(low) || low < 0xDC00 || low > 0xDFFF) return "lone surrogate in a string";
      cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, cp);
    return nullptr;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace qarax::json
