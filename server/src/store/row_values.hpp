// Converts values to what columns store. Private to rows_*.cpp.
#pragma once

#include <Poco/Nullable.h>

#include <optional>
#include <string>

#include "records.hpp"

namespace qarax::server::rows {

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
