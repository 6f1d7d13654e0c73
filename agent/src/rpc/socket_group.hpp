// Lets a group, besides the agent's own user, connect to its unix socket and so command the agent.
#pragma once

#include <sys/types.h>

#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// NOT_FOUND, with what to do: the host has no such group.
Result<gid_t> find_group(const std::string& name);
// Sets the socket's group and mode 0660. Before that, by the umask, only its user has access.
Status share_socket(const std::string& path, gid_t group);

}  // namespace qarax::agent
