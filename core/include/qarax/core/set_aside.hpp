// How `qarax-node rehome` names what it sets aside, for the code that does so and the code that finds it later.
#pragma once

#include <string_view>

namespace qarax::core {

// In a node's data folder, with another node's id behind it: that node's VMs.
inline constexpr std::string_view kSetAside = "vms-of-";

}  // namespace qarax::core
