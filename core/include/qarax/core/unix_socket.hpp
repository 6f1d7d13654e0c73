// Unix stream sockets whose path may be longer than the 108 bytes that sockaddr_un holds.
#pragma once

#include <string>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// A connected, close-on-exec, blocking socket. NOT_FOUND: no such path; UNAVAILABLE: nobody listens on it.
Result<Fd> connect_unix(const std::string& path);

}  // namespace qarax::core
