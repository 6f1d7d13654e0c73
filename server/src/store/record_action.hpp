// Names of changes that only the store makes: their jobs are complete with their record. Those of changes that a node
// carries out are core::to_string(Action) and to_string(HostAction).
#pragma once

#include <string_view>

namespace qarax::server {

inline constexpr std::string_view kCreateVm = "create";
inline constexpr std::string_view kEditVm = "edit";
inline constexpr std::string_view kAddHost = "add-host";
inline constexpr std::string_view kEditHost = "edit-host";
inline constexpr std::string_view kRemoveHost = "remove-host";

}  // namespace qarax::server
