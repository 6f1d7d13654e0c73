// Who could have put a file there: loading a plugin is running its author's code as the agent.
#pragma once

#include <string>

#include "qarax/result.hpp"

namespace qarax::core {

// Ok: `path` is absolute and names a regular file (or a folder), and it and every folder above it, through symbolic
// links too, belongs to root or to our user and can be written by nobody else. A sticky folder such as /tmp is fine:
// what stands in it can be replaced by its owner only; so is write permission of the owner's private group.
// FAILED_PRECONDITION otherwise, with the command that helps.
Status check_plugin_path(const std::string& path, bool folder);

}  // namespace qarax::core
