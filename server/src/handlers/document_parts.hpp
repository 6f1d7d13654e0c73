// What several of the documents shown are made with.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

// Records have "" where documents leave the member out.
inline std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

// Whether the enumeration of a record and the one shown have the same names in the same order, so that one may be cast
// to the other.
template <class Ours, class Shown>
constexpr bool same_names() {
  if (std::size(EnumNames<Ours>::kNames) != std::size(EnumNames<Shown>::kNames)) return false;
  for (std::size_t i = 0; i < std::size(EnumNames<Ours>::kNames); ++i)
    if (EnumNames<Ours>::kNames[i] != EnumNames<Shown>::kNames[i]) return false;
  return true;
}

}  // namespace qarax::server
