// How the folders of VMs and snapshots that are incomplete are named, for the code that makes them and the code that
// finds them later.
#pragma once

#include <string_view>

namespace qarax::agent {

// Prefixes of the id.
inline constexpr const char* kUnfinished = ".new-";   // being made; a rename gives the whole folder its name
inline constexpr const char* kRemoved = ".removed-";  // being removed; it was renamed so that nobody takes it for whole

// Left by an agent that ended in the middle.
inline bool is_broken_off(std::string_view name) { return name.starts_with(kUnfinished) || name.starts_with(kRemoved); }

}  // namespace qarax::agent
