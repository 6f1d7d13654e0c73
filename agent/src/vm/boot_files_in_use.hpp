// Which of the node's boot files its VMs and their snapshots refer to.
#pragma once

#include <set>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// The files' names, without their folder, which may have been moved since; also of VMs that `rehome` has set aside. One
// document that can't be read makes all of it an error: what isn't known to be unused may be in use. For the agent's
// start: no VM may be made meanwhile.
Result<std::set<std::string>> boot_files_in_use(const std::string& data_dir);

}  // namespace qarax::agent
