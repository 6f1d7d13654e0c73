// Strict decoding by field tables: reports up to kMostProblems problems, each with the JSON pointer to its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "qarax/plugin/fields/table.hpp"
#include "qarax/plugin/json/parse.hpp"
#include "qarax/plugin/json/write.hpp"
#include "qarax/result.hpp"

namespace qarax {

// What decoding does with a member or enum value that it doesn't know. `ignore` is for documents of another author: it
// also takes a null for an absent member.
enum class Unknown { refuse, ignore };

namespace detail {

class Decoder {
 public:
  // `source`: the text that the values were parsed from, empty when it isn't at hand.
  explicit Decoder(Unknown unknown, std::string_view source = {}) : unknown_(unknown), source_(source) {}
  // A document of a MiB can have half a million problems, and each costs a hundred bytes.
  static constexpr std::size_t kMostProblems = 64;
  std::vector<ErrorDetail> problems;  // at most kMostProblems, then one that says that there are more
  bool is_full() const { return problems.size() > kMostProblems; }

  void problem(const std::string& pointer, std::string text) {
    if (problems.size() < kMostProblems)
      problems.push_back({pointer, std::move(text)});
    else if (!is_full())
      problems.push_back({"", "and more"});
  }

  template <class T>
  void read(const json::Value& in, T& out, const std::string& pointer) {
    if constexpr (std::is_same_v<T, bool>) {
      if (const auto* b = in.as_bool())
        out = *b;
      else
        expected(pointer, "a boolean", in);
    } else if constexpr (std::is_enum_v<T>) {
      read_enum(in, out, pointer);
    } else if constexpr (std::is_integral_v<T>) {
      const auto* i = in.as_int();
      if (i == nullptr) return expected(pointer, "an integer", in);
      if (*i < std::numeric_limits<T>::min() || *i > std::numeric_limits<T>::max())
        return problem(pointer, std::to_string(*i) + " doesn't fit into " + std::to_string(sizeof(T) * 8) + " bits");
      out = static_cast<T>(*i);
    } else if constexpr (std::is_floating_point_v<T>) {
      if (const auto* d = in.as_double())
        out = *d;
      else if (const auto* i = in.as_int())
        out = static_cast<T>(*i);
      else
        expected(pointer, "a number", in);
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (const auto* s = in.as_string())
        out = *s;
      else
        expected(pointer, "a string", in);
    } else if constexpr (std::is_same_v<T, RawJson>) {
      out.text = json::source_text(in, source_);
    } else if constexpr (IsOptional<T>::value) {
      if (in.is_null())
        out.reset();
      else
        read(in, out.emplace(), pointer);
    } else if constexpr (IsVector<T>::value) {
      const auto* array = in.as_array();
      if (array == nullptr) return expected(pointer, "an array", in);
      out.clear();
      for (std::size_t i = 0; i < array->size() && !is_full(); ++i)
        read((*array)[i], out.emplace_back(), json::pointer_to(pointer, std::to_string(i)));
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
      const auto* object = in.as_object();
      if (object == nullptr) return expected(pointer, "an object", in);
      out.clear();
      for (const auto& [key, value] : *object) {
        if (is_full()) return;
        read(value, out[key], json::pointer_to(pointer, key));
      }
    } else {
      static_assert(Document<T>, "no field table for this type");
      const auto* object = in.as_object();
      if (object == nullptr) return expected(pointer, "an object", in);
      read_members(in, out, pointer);
      if (unknown_ == Unknown::refuse)
        for (const auto& member : *object)
          if (!knows<T>(member.first)) problem(json::pointer_to(pointer, member.first), "unknown member");
    }
  }

 private:
  void expected(const std::string& pointer, std::string_view what, const json::Value& in) {
    std::string text = "expected ";
    text.append(what).append(", got ").append(in.as_double() != nullptr && what == "an integer"
                                                  ? "a number that isn't a whole one in range"
                                                  : in.type_name());
    problem(pointer, std::move(text));
  }

  template <class E>
  void read_enum(const json::Value& in, E& out, const std::string& pointer) {
    const auto* text = in.as_string();
    if (text == nullptr) return expected(pointer, "a string", in);
    if (const auto value = enum_named<E>(*text)) {
      out = *value;
    } else if (unknown_ == Unknown::ignore) {
      out = EnumNames<E>::kUnknown;
    } else {
      std::string known;
      for (const std::string_view name : EnumNames<E>::kNames) known.append(known.empty() ? "" : ", ").append(name);
      problem(pointer, "\"" + *text + "\" is not one of " + known);
    }
  }

  template <class T>
  static bool knows(std::string_view name) {
    bool found = false;
    for_each_field<T>([&](const auto& f) {
      using M = typename std::remove_cvref_t<decltype(f)>::Type;
      if constexpr (Document<M>) {
        if (f.is_flat) {
          found = found || knows<M>(name);
          return;
        }
      }
      found = found || f.name == name;
    });
    return found;
  }

  // Code that doesn't depend on a field's type is kept in functions that aren't templates: a template is compiled once
  // per field, in every source file that decodes.
  [[gnu::noinline]] void check_number(std::int64_t value, std::int64_t min, std::int64_t max,
                                      const std::string& pointer) {
    if (value < min) problem(pointer, std::to_string(value) + " is below the minimum of " + std::to_string(min));
    if (value > max) problem(pointer, std::to_string(value) + " is above the maximum of " + std::to_string(max));
  }
  // Counts as JSON Schema does: characters, not bytes of UTF-8.
  [[gnu::noinline]] static std::size_t length_of(std::string_view text) {
    std::size_t length = 0;
    for (const char c : text) length += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
    return length;
  }
  [[gnu::noinline]] void check_length(std::size_t size, std::int64_t min, std::int64_t max,
                                      const std::string& pointer) {
    const auto length = static_cast<std::int64_t>(size);
    if (length < min)
      problem(pointer, size == 0 ? "must not be empty" : "shorter than " + std::to_string(min) + " characters");
    if (length > max) problem(pointer, "longer than " + std::to_string(max) + " characters");
  }
  [[gnu::noinline]] void check_count(std::size_t size, std::int64_t min, std::int64_t max, const std::string& pointer) {
    const auto count = static_cast<std::int64_t>(size);
    if (count < min)
      problem(pointer, "has " + std::to_string(count) + " elements, at least " + std::to_string(min) + " are needed");
    if (count > max)
      problem(pointer, "has " + std::to_string(count) + " elements, at most " + std::to_string(max) + " fit");
  }

  template <class M>
  void check_bounds(std::int64_t min, std::int64_t max, const M& member, const std::string& pointer) {
    if constexpr (IsOptional<M>::value) {
      if (member) check_bounds(min, max, *member, pointer);
    } else if constexpr (std::is_integral_v<M> && !std::is_same_v<M, bool>) {
      check_number(member, min, max, pointer);
    } else if constexpr (std::is_same_v<M, std::string>) {
      check_length(length_of(member), min, max, pointer);
    } else if constexpr (IsVector<M>::value) {
      check_count(member.size(), min, max, pointer);
    }
  }

  // Null if the member is absent, as a JSON null is in a document from a plugin: languages with optional values write
  // one for each that is empty. Adds a problem if the member is required.
  [[gnu::noinline]] const json::Value* find_member(const json::Value& in, std::string_view name, bool is_required,
                                                   const std::string& pointer) {
    const json::Value* value = in.find(name);
    if (value == nullptr && is_required) problem(pointer, "is required");
    if (value != nullptr && value->is_null() && !is_required && unknown_ == Unknown::ignore) return nullptr;
    return value;
  }

  template <class M>
  void read_member(const json::Value& in, std::string_view name, bool is_required, std::int64_t min, std::int64_t max,
                   M& member, const std::string& parent) {
    const std::string pointer = json::pointer_to(parent, name);
    const json::Value* value = find_member(in, name, is_required, pointer);
    if (value == nullptr) return;
    const std::size_t before = problems.size();
    read(*value, member, pointer);
    if (problems.size() == before) check_bounds(min, max, member, pointer);
  }

  template <class T>
  void read_members(const json::Value& in, T& out, const std::string& pointer) {
    const auto read_one = [&](const auto& f) {
      auto& member = out.*(f.kMember);
      using M = std::remove_cvref_t<decltype(member)>;
      if constexpr (Document<M>) {
        if (f.is_flat) return read_members(in, member, pointer);
      }
      read_member(in, f.name, f.is_required, f.min_value, f.max_value, member, pointer);
    };
    for_each_field<T>(read_one);
  }

  Unknown unknown_;
  std::string_view source_;
};

}  // namespace detail

// INVALID_ARGUMENT with the first 64 problems, and whether there are more; reason "bad-json" (not JSON) or
// "validation". `source`: the text that `in` was parsed from, if RawJson members are to keep its spelling.
template <class T>
Result<T> decode(const json::Value& in, Unknown unknown = Unknown::refuse, std::string_view source = {}) {
  T out{};
  detail::Decoder decoder(unknown, source);
  decoder.read(in, out, "");
  if (decoder.problems.empty()) return out;
  const auto& first = decoder.problems.front();
  Error error = make_error(
      Code::invalid_argument,
      std::string(Fields<T>::kName) + " " + (first.pointer.empty() ? "document" : first.pointer) + ": " + first.detail,
      "validation");
  if (const std::size_t more = decoder.problems.size() - 1; more > 0)
    error.message += (decoder.is_full() ? " (and at least " : " (and ") + std::to_string(more) + " more)";
  error.details = std::move(decoder.problems);
  return error;
}

template <class T>
Result<T> decode(std::string_view text, Unknown unknown = Unknown::refuse) {
  auto parsed = json::parse(text);
  if (!parsed) return std::move(parsed).error().context(Fields<T>::kName);
  return decode<T>(*parsed, unknown, text);
}

}  // namespace qarax
