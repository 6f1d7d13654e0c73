#include "socket_group.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "qarax/core/files.hpp"

namespace qarax::agent {

Result<gid_t> find_group(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> room(std::size_t{16} << 10);
  int error = ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  while (error == ERANGE && room.size() < (std::size_t{16} << 20)) {
    room.resize(room.size() * 4);
    error = ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  }
  if (found != nullptr) return entry.gr_gid;
  return make_error(Code::not_found, "listen.unix_socket_group: this host has no group " + name +
                                         "; make it (systemd-sysusers, or groupadd --system " + name +
                                         "), or leave the key out");
}

Status share_socket(const std::string& path, gid_t group) {
  // Set the group first, so that the former group gets no access.
  if (::chown(path.c_str(), static_cast<uid_t>(-1), group) != 0 || ::chmod(path.c_str(), 0660) != 0)
    return core::errno_error("can't give " + path + " to the group " + std::to_string(group), errno);
  return Ok{};
}

}  // namespace qarax::agent
