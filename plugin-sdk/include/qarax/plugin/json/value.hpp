// One JSON value, as it was read or put together. A plain value type: copies are deep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace qarax::json {

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
  const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }  // 64 bits, without '.' and 'e'
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

  // First byte of a parsed value in its document, and the one behind its last; both 0 if the value wasn't parsed.
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

}  // namespace qarax::json
