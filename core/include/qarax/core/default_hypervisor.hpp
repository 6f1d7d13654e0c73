// The one name of a hypervisor that qarax itself has.
#pragma once

#include <string_view>

namespace qarax::core {

// What a VM that names no hypervisor gets where nobody configured anything else: nodes prefer this one
// (default_hypervisors), and REST shows it of such a VM while no host is up.
inline constexpr std::string_view kDefaultHypervisor = "cloud_hv";

}  // namespace qarax::core
