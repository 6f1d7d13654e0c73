// Who beside the agent's own user may connect to its unix socket, and so command it.
#pragma once

#include <sys/types.h>

#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// NOT_FOUND, with what to do, when the host has no such group.
Result<gid_t> find_group(const std::string& name);
// The socket's group and mode 0660; before, by the umask, it is its user's only.
Status share_socket(const std::string& path, gid_t group);

}  // namespace qarax::agent
