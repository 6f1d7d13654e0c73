// Converts between values and what columns store. Private to the sources with SQL.
#pragma once

#include <Poco/Data/RecordSet.h>
#include <Poco/Nullable.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "records.hpp"

namespace qarax::server::rows {

// NULL: an empty text.
inline std::string text(const Poco::Data::RecordSet& set, std::size_t column, std::size_t row) {
  const auto value = set.value(column, row);
  return value.isEmpty() ? std::string() : value.convert<std::string>();
}
inline std::optional<std::string> optional_text(const Poco::Data::RecordSet& set, std::size_t column, std::size_t row) {
  const auto value = set.value(column, row);
  if (value.isEmpty()) return std::nullopt;
  return value.convert<std::string>();
}
inline std::int64_t number(const Poco::Data::RecordSet& set, std::size_t column, std::size_t row) {
  return set.value(column, row).convert<std::int64_t>();
}

inline Poco::Nullable<std::string> nullable(const std::optional<std::string>& value) {
  if (!value) return {};
  return *value;
}

// Includes the members that a newer server wrote and this one doesn't know.
inline std::string spec_text(const VmRecord& vm) {
  return unread::with(encode(vm.spec, Defaults::write), vm.unread.spec);
}
inline Poco::Nullable<std::string> resolved_text(const VmRecord& vm) {
  if (!vm.resolved) return {};
  return unread::with(encode(*vm.resolved, Defaults::write), vm.unread.resolved);
}
inline std::string restart_text(const VmRecord& vm) { return unread::with(encode(vm.restart), vm.unread.restart); }

}  // namespace qarax::server::rows
