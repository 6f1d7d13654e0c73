// The strict reader: UTF-8 only, no duplicate keys, no NUL, no lone surrogates, nothing after the value, and a depth of
// at most kMaxDepth. An error is INVALID_ARGUMENT with reason "bad-json" and the pointer to where it failed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "qarax/plugin/json/text.hpp"
#include "qarax/plugin/json/tokens.hpp"
#include "qarax/plugin/json/value.hpp"
#include "qarax/result.hpp"

namespace qarax::json {

constexpr int kMaxDepth = 64;  // objects and arrays within each other

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(text) {}

  Result<Value> parse() {
    Value value;
    tokens_.skip_space();
    if (!parse_value(value, 0)) return failure();
    tokens_.skip_space();
    if (!tokens_.at_end()) {
      fail("unexpected text after the document");
      return failure();
    }
    return value;
  }

 private:
  // Duplicates are found by a scan, so the number of members is bounded to keep that cheap for any input.
  static constexpr std::size_t kMaxMembers = 1024;

  // Appends a step to the path for as long as it lives. The path is one string that grows and shrinks: with a pointer
  // built for each element, a long key above many elements would cost minutes.
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

  bool fail(const char* detail) {
    if (detail_.empty()) {
      pointer_ = path_;
      detail_ = detail;
    }
    return false;
  }
  bool ok(Tokens::Fault fault) { return fault == nullptr || fail(fault); }

  Error failure() const {
    Error error =
        make_error(Code::invalid_argument,
                   "not a valid JSON document: " + detail_ + " at byte " + std::to_string(tokens_.at()), "bad-json");
    error.details.push_back({pointer_, detail_});
    return error;
  }

  bool parse_value(Value& out, int depth) {
    const std::size_t from = tokens_.at();
    if (!parse_any(out, depth)) return false;
    out.from_ = from;
    out.to_ = tokens_.at();
    return true;
  }

  bool parse_any(Value& out, int depth) {
    if (tokens_.at_end()) return fail("the document ends too early");
    switch (tokens_.next()) {
      case '{':
        return parse_object(out, depth);
      case '[':
        return parse_array(out, depth);
      case '"': {
        std::string text;
        if (!ok(tokens_.string(text))) return false;
        out = Value(std::move(text));
        return true;
      }
      case 't':
        if (tokens_.take("true")) return out = Value(true), true;
        break;
      case 'f':
        if (tokens_.take("false")) return out = Value(false), true;
        break;
      case 'n':
        if (tokens_.take("null")) return out = Value(), true;
        break;
      default:
        return ok(tokens_.number(out));
    }
    return fail("expected a value");
  }

  bool parse_object(Value& out, int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 64 levels");
    Object object;
    tokens_.take('{');
    tokens_.skip_space();
    if (tokens_.take('}')) return out = Value(std::move(object)), true;
    for (;;) {
      tokens_.skip_space();
      std::string key;
      if (tokens_.next() != '"') return fail("expected a member name in double quotes");
      if (!ok(tokens_.string(key))) return false;
      Value value;
      if (!parse_member(value, object, key, depth)) return false;
      object.emplace_back(std::move(key), std::move(value));
      if (object.size() > kMaxMembers) return fail("more than 1024 members");
      tokens_.skip_space();
      if (tokens_.take(',')) continue;
      if (tokens_.take('}')) return out = Value(std::move(object)), true;
      return fail("expected ',' or '}'");
    }
  }

  bool parse_member(Value& out, const Object& object, const std::string& key, int depth) {
    const Step step(path_, key);
    for (const auto& member : object)
      if (member.first == key) return fail("duplicate member");
    tokens_.skip_space();
    if (!tokens_.take(':')) return fail("expected ':'");
    tokens_.skip_space();
    return parse_value(out, depth + 1);
  }

  bool parse_array(Value& out, int depth) {
    if (depth >= kMaxDepth) return fail("nested deeper than 64 levels");
    Array array;
    tokens_.take('[');
    tokens_.skip_space();
    if (tokens_.take(']')) return out = Value(std::move(array)), true;
    for (;;) {
      tokens_.skip_space();
      Value value;
      if (!parse_element(value, array.size(), depth)) return false;
      array.push_back(std::move(value));
      tokens_.skip_space();
      if (tokens_.take(',')) continue;
      if (tokens_.take(']')) return out = Value(std::move(array)), true;
      return fail("expected ',' or ']'");
    }
  }

  bool parse_element(Value& out, std::size_t index, int depth) {
    const Step step(path_, std::to_string(index));
    return parse_value(out, depth + 1);
  }

  Tokens tokens_;
  std::string path_;     // where the parser is
  std::string pointer_;  // where it failed
  std::string detail_;
};

inline Result<Value> parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace qarax::json
