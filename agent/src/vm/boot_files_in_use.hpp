// Which of the node's boot files its VMs and their snapshots refer to.
#pragma once

#include <set>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// Returns the files' names without their folder, because the data folder may have been moved. VMs that `rehome` has set
// aside count too. A single document that can't be read fails the whole call: a file that isn't known to be unused may
// be in use. Call it at the agent's start only, while no VM can be made.
Result<std::set<std::string>> boot_files_in_use(const std::string& data_dir);

}  // namespace qarax::agent
