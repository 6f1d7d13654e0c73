// Values as columns take them. Of the rows_*.cpp alone.
#pragma once

#include <Poco/Nullable.h>

#include <optional>
#include <string>

#include "qarax/plugin/fields.hpp"

namespace qarax::server::rows {

// Texts as they are, documents as JSON.
template <class T>
Poco::Nullable<std::string> nullable(const std::optional<T>& value) {
  if (!value) return {};
  if constexpr (std::is_same_v<T, std::string>)
    return *value;
  else
    return encode(*value, Defaults::write);
}

}  // namespace qarax::server::rows
