#include "port_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "qarax/core/files.hpp"

namespace qarax::server {

Status write_port_file(const std::string& path, std::uint16_t port) {
  const std::string unready = path + ".unready";
  core::Fd file;
  QARAX_CHECK(core::write_file_durably(unready, std::to_string(port) + "\n", 0600, &file));
  if (::fchmod(file.get(), 0644) == 0 && ::rename(unready.c_str(), path.c_str()) == 0) return Ok{};
  const int error = errno;
  ::unlink(unready.c_str());
  return core::errno_error("can't write " + path, error);
}

}  // namespace qarax::server
