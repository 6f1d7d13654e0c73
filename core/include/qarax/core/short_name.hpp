// The names that plugins have for people, REST and configs.
#pragma once

#include <algorithm>
#include <string_view>

namespace qarax::core {

// [a-z][a-z0-9_]{0,31}, as abi.h says of a plugin's name.
constexpr bool is_short_name(std::string_view name) {
  if (name.empty() || name.size() > 32 || name.front() < 'a' || name.front() > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace qarax::core
