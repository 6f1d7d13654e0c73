// A strict JSON reader and a writer that appends to a string. Standard library only (core/decisions/0003 says why it is
// ours). Strict: UTF-8 only, no duplicate keys, no NUL, no lone surrogates, depth <= 64, nothing after the value.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "qarax/result.hpp"

namespace qarax::json {

constexpr int kMaxDepth = 64;  // objects and arrays within each other

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;
using Object = std::vector<Member>;  // in document order

class Value {
 public:
  Value() = default;
  template <class T>
  requires(!std::is_same_v<std::decay_t<T>, Value>) explicit Value(T value) : data_(std::move(value)) {}

  bool is_null() const { return data_.index() == 0; }
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }  // written without '.', 'e'; fits
  const double* as_double() const { return std::get_if<double>(&data_); }           // every other number
  const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  const Array* as_array() const { return std::get_if<Array>(&data_); }
  const Object* as_object() const { return std::get_if<Object>(&data_); }
  Array* as_array() { return std::get_if<Array>(&data_); }
  Object* as_object() { return std::get_if<Object>(&data_); }

  // The member of an object, or null.
  const Value* find(std::string_view key) const {
    if (const auto* object = as_object())
      for (const auto& member : *object)
        if (member.first == key) return &member.second;
    return nullptr;
  }

  // Where a parsed value stands in its document; both 0 for one that was made otherwise.
  std::size_t from() const { return from_; }
  std::size_t to() const { return to_; }

  std::string_view type_name() const {
    constexpr std::string_view kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    return kNames[data_.index()];
  }

 private:
  friend class Parser;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
  std::size_t from_ = 0;
  std::size_t to_ = 0;
};

// ---- writing ----

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

// Every byte that isn't valid UTF-8 becomes U+FFFD: for text from plugins and guests that goes into a document.
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

// "/disks/2": one more step of a JSON pointer, escaped (RFC 6901).
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

// ---- reading ----

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Value> parse() {
    Value value;
    skip_space();
    if (!parse_value(value, 0)) return failure();
    skip_space();
    if (at_ != text_.size()) {
      fail("unexpected text after the document");
      return failure();
    }
    return value;
  }

 private:
  // One step deeper in the path, for as long as it lives. The path is one string that grows and shrinks: making a
  // pointer for each element would let a long key in front of many elements cost minutes.
  class Step {
   public:
    Step(std::string& path, std::string_view key) : path_(path), size_(path.size()) { append_pointer(path, key); }
    ~Step() { path_.resize(size_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    std::string& path_;
    std::size_t size_;
  };

  bool fail(std::string detail) {
    if (detail_.empty()) {
      pointer_ = path_;
      detail_ = std::move(detail);
    }
    return false;
  }
  Error failure() const {
    Error error = make_error(Code::invalid_argument,
                             "not a valid JSON document: " + detail_ + " at byte " + std::to_string(at_), "bad-json");
    error.details.push_back({pointer_, detail_});
    return error;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool parse_value(Value& out, int depth) {
    const std::size_t from = at_;
    if (!parse_any(out, depth)) return false;
    out.from_ = from;
    out.to_ = at_;
    return true;
  }

  bool parse_any(Value& out, int depth) {
    if (at_ >= text_.size()) return fail("the document ends too early");
    switch (text_[at_]) {
      case '{':
        return parse_object(out, depth);
      case '[':
        return parse_array(out, depth);
      case '"': {
        std::string text;
        if (!parse_string(text)) return false;
        out = Value(std::move(text));
        return true;
      }
      case 't':
        if (literal("true")) return out = Value(true), true;
        break;
      case 'f':
        if (literal("false")) return out = Value(false), true;
        break;
      case 'n':
        if (literal("null")) return out = Value(), true;
        break;
      default:
        return parse_number(out);
    }
    return fail("expected a value");
  }

  bool parse_object(Value& out, int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 64 levels");
    Object object;
    ++at_;
    skip_space();
    if (at_ < text_.size() && text_[at_] == '}') return ++at_, out = Value(std::move(object)), true;
    for (;;) {
      skip_space();
      std::string key;
      if (at_ >= text_.size() || text_[at_] != '"') return fail("expected a member name in double quotes");
      if (!parse_string(key)) return false;
      Value value;
      if (!parse_member(value, object, key, depth)) return false;
      object.emplace_back(std::move(key), std::move(value));
      // Duplicates are found by a scan, so the number of members is bounded to keep that cheap for any input.
      if (object.size() > kMaxMembers) return fail("more than 1024 members");
      skip_space();
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == '}') return ++at_, out = Value(std::move(object)), true;
      return fail("expected ',' or '}'");
    }
  }

  bool parse_member(Value& out, const Object& object, const std::string& key, int depth) {
    const Step step(path_, key);
    for (const auto& member : object)
      if (member.first == key) return fail("duplicate member");
    skip_space();
    if (at_ >= text_.size() || text_[at_] != ':') return fail("expected ':'");
    ++at_;
    skip_space();
    return parse_value(out, depth + 1);
  }

  bool parse_element(Value& out, std::size_t index, int depth) {
    const Step step(path_, std::to_string(index));
    return parse_value(out, depth + 1);
  }

  bool parse_array(Value& out, int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 64 levels");
    Array array;
    ++at_;
    skip_space();
    if (at_ < text_.size() && text_[at_] == ']') return ++at_, out = Value(std::move(array)), true;
    for (;;) {
      skip_space();
      Value value;
      if (!parse_element(value, array.size(), depth)) return false;
      array.push_back(std::move(value));
      skip_space();
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == ']') return ++at_, out = Value(std::move(array)), true;
      return fail("expected ',' or ']'");
    }
  }

  bool hex4(unsigned& out) {
    if (at_ + 4 > text_.size()) return false;
    const auto r = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
    if (r.ec != std::errc{} || r.ptr != text_.data() + at_ + 4) return false;
    at_ += 4;
    return true;
  }

  static void append_utf8(std::string& out, unsigned cp) {
    if (cp < 0x80) {
      out.push_back(static_cast<char>(cp));
    } else if (cp < 0x800) {
      out.push_back(static_cast<char>(0xC0 | (cp >> 6)));
      out.push_back(static_cast<char>(0x80 | (cp & 0x3F)));
    } else if (cp < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | (cp >> 12)));
      out.push_back(static_cast<char>(0x80 | ((cp >> 6) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | (cp & 0x3F)));
    } else {
      out.push_back(static_cast<char>(0xF0 | (cp >> 18)));
      out.push_back(static_cast<char>(0x80 | ((cp >> 12) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | ((cp >> 6) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | (cp & 0x3F)));
    }
  }

  bool parse_escape(std::string& out) {
    if (at_ >= text_.size()) return fail("the document ends inside a string");
    switch (const char c = text_[at_++]) {
      case '"':
      case '\\':
      case '/':
        out.push_back(c);
        return true;
      case 'b':
        out.push_back('\b');
        return true;
      case 'f':
        out.push_back('\f');
        return true;
      case 'n':
        out.push_back('\n');
        return true;
      case 'r':
        out.push_back('\r');
        return true;
      case 't':
        out.push_back('\t');
        return true;
      case 'u': {
        unsigned cp = 0;
        if (!hex4(cp)) return fail("bad \\u escape");
        if (cp == 0) return fail("NUL character in a string");
        if (cp >= 0xDC00 && cp <= 0xDFFF) return fail("lone surrogate in a string");
        if (cp >= 0xD800 && cp <= 0xDBFF) {
          unsigned low = 0;
          if (text_.substr(at_, 2) != "\\u") return fail("lone surrogate in a string");
          at_ += 2;
          if (!hex4(low) || low < 0xDC00 || low > 0xDFFF) return fail("lone surrogate in a string");
          cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        }
        append_utf8(out, cp);
        return true;
      }
      default:
        return fail("unknown escape in a string");
    }
  }

  bool parse_string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, true;
      if (c == '\\') {
        ++at_;
        if (!parse_escape(out)) return false;
      } else if (c < 0x20) {
        return fail(c == 0 ? "NUL character in a string" : "control character in a string");
      } else {
        const std::size_t n = utf8_length(text_.substr(at_, 4));
        if (n == 0) return fail("invalid UTF-8");
        out.append(text_, at_, n);
        at_ += n;
      }
    }
    return fail("the document ends inside a string");
  }

  bool digits() {
    const std::size_t from = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > from;
  }

  bool parse_number(Value& out) {
    const std::size_t from = at_;
    if (text_[at_] == '-') ++at_;
    const std::size_t first = at_;
    if (!digits()) return at_ = from, fail("expected a value");
    if (text_[first] == '0' && at_ - first > 1) return fail("a number can't start with 0");
    bool integer = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      integer = false;
      ++at_;
      if (!digits()) return fail("digits must follow the decimal point");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      integer = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return fail("digits must follow the exponent");
    }
    const char* begin = text_.data() + from;
    const char* end = text_.data() + at_;
    if (integer) {
      std::int64_t value = 0;
      if (std::from_chars(begin, end, value).ec == std::errc{}) return out = Value(value), true;
    }
    double value = 0;
    if (std::from_chars(begin, end, value).ec != std::errc{}) return fail("number out of range");
    return out = Value(value), true;
  }

  static constexpr std::size_t kMaxMembers = 1024;
  std::string_view text_;
  std::size_t at_ = 0;
  std::string path_;     // where the parser is
  std::string pointer_;  // where it failed
  std::string detail_;
};

inline Result<Value> parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace qarax::json
