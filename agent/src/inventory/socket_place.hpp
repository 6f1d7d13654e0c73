// The place where the agent's unix socket will be.
#pragma once

#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// Removes a socket on which nobody listens any more, as an agent that was killed leaves it. Fails, and removes nothing,
// where the folder can't be used, somebody listens there, or something else than a socket is there; the message names
// listen.unix_socket. `path`: absolute, and short enough for sockaddr_un.
Status clear_socket_place(const std::string& path);

}  // namespace qarax::agent
