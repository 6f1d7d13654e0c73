// --port-file: tells programs that started the server which port it has.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/result.hpp"

namespace qarax::server {

// The file is readable by everybody, whatever the umask, from the moment it appears under its name.
Status write_port_file(const std::string& path, std::uint16_t port);

}  // namespace qarax::server
