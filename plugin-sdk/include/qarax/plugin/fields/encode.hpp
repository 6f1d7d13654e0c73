// Encoding by field tables: appends to a string, in the order of the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>

#include "qarax/plugin/fields/table.hpp"
#include "qarax/plugin/json/write.hpp"

namespace qarax {

enum class Defaults { omit, write };  // what encoding does with a member that has its default

template <class T>
void encode_to(std::string& out, const T& value, Defaults defaults);

namespace detail {

template <class T>
const T& defaults_of() {
  static const T value{};
  return value;
}

template <class T>
bool encode_members(std::string& out, const T& value, Defaults defaults, bool first);

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (Document<T>) {
    bool equal = true;
    for_each_field<T>([&](const auto& f) { equal = equal && same(a.*(f.kMember), b.*(f.kMember)); });
    return equal;
  } else if constexpr (IsVector<T>::value) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!same(a[i], b[i])) return false;
    return true;
  } else if constexpr (IsOptional<T>::value) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
  } else {
    return a == b;
  }
}

[[gnu::noinline]] inline void begin_member(std::string& out, std::string_view name, bool& first) {
  if (!first) out.push_back(',');
  first = false;
  out.push_back('"');
  out.append(name);
  out.append("\":");
}

template <class T>
bool encode_members(std::string& out, const T& value, Defaults defaults, bool first) {
  for_each_field<T>([&](const auto& f) {
    const auto& member = value.*(f.kMember);
    using M = std::remove_cvref_t<decltype(member)>;
    if constexpr (Document<M>) {
      if (f.is_flat) {
        first = encode_members(out, member, defaults, first);
        return;
      }
    }
    if constexpr (IsOptional<M>::value) {
      if (!member && !(f.is_nullable && defaults == Defaults::write)) return;
    }
    if (defaults == Defaults::omit && !f.is_required && same(member, defaults_of<T>().*(f.kMember))) return;
    begin_member(out, f.name, first);
    encode_to(out, member, defaults);
  });
  return first;
}

}  // namespace detail

template <class T>
void encode_to(std::string& out, const T& value, Defaults defaults) {
  if constexpr (std::is_same_v<T, bool>) {
    out.append(value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    json::append_string(out, EnumNames<T>::kNames[static_cast<std::size_t>(value)]);
  } else if constexpr (std::is_integral_v<T>) {
    json::append_int(out, static_cast<std::int64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    json::append_double(out, value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    json::append_string(out, value);
  } else if constexpr (std::is_same_v<T, RawJson>) {
    out.append(value.text.empty() ? "null" : value.text);
  } else if constexpr (detail::IsOptional<T>::value) {
    if (value)
      encode_to(out, *value, defaults);
    else
      out.append("null");
  } else if constexpr (detail::IsVector<T>::value) {
    out.push_back('[');
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i != 0) out.push_back(',');
      encode_to(out, value[i], defaults);
    }
    out.push_back(']');
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    out.push_back('{');
    bool first = true;
    for (const auto& [key, text] : value) {
      if (!first) out.push_back(',');
      first = false;
      json::append_string(out, key);
      out.push_back(':');
      json::append_string(out, text);
    }
    out.push_back('}');
  } else {
    static_assert(Document<T>, "no field table for this type");
    out.push_back('{');
    detail::encode_members(out, value, defaults, true);
    out.push_back('}');
  }
}

template <class T>
std::string encode(const T& value, Defaults defaults = Defaults::omit) {
  std::string out;
  encode_to(out, value, defaults);
  return out;
}

}  // namespace qarax
