// Checks who can write to a plugin's path: loading a plugin runs its author's code with the agent's rights.
#pragma once

#include <string>

#include "qarax/result.hpp"

namespace qarax::core {

// Ok: `path` is absolute and names a regular file (with `folder`: a folder), and it and every folder above it, also
// behind symbolic links, belong to root or to the agent's user and nobody else can write there. Two exceptions: a
// sticky folder such as /tmp, whose entries only their owner can replace, and write permission of the owner's private
// group. Otherwise FAILED_PRECONDITION, with the command that helps.
Status check_plugin_path(const std::string& path, bool folder);

}  // namespace qarax::core
