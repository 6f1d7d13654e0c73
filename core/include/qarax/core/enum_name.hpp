// The inverse of the SDK's enum_named().
#pragma once

#include <cstddef>
#include <string_view>

#include "qarax/plugin/fields/table.hpp"

namespace qarax::core {

// The value's name on the wire, from the EnumNames of its type.
template <class E>
constexpr std::string_view enum_name(E value) {
  return EnumNames<E>::kNames[static_cast<std::size_t>(value)];
}

}  // namespace qarax::core
