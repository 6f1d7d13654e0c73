#include "socket_place.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

Error unusable(const std::string& what, int error, const std::string& way_out) {
  Error out = core::errno_error("listen.unix_socket: " + what, error);
  out.message += "; " + way_out;
  return out;
}

Error taken(const std::string& what) {
  return make_error(Code::failed_precondition,
                    "listen.unix_socket: " + what + ", or give this agent a listen.unix_socket of its own");
}

// 0: somebody listens. Otherwise why nobody could be reached.
int reach(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  path.copy(address.sun_path, path.size());
  const core::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  // Its backlog is full: somebody listens there who is stopped, or busy.
  return errno == EAGAIN ? 0 : errno;
}

}  // namespace

Status clear_socket_place(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  struct stat info {};
  int error = ::stat(folder.c_str(), &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
  if (error == 0 && ::access(folder.c_str(), W_OK | X_OK) != 0) error = errno;
  if (error != 0)
    return unusable("the folder " + folder + " can't be used", error,
                    "make it, writable for this user, or set another path");
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return Ok{};
    return unusable("can't look at " + path, errno, "set another path");
  }
  if (!S_ISSOCK(info.st_mode)) return taken(path + " is there and is no socket; remove it");
  error = reach(path);
  if (error == 0) return taken("another process listens on " + path + "; end it first");
  if (error != ECONNREFUSED && error != ENOENT)
    return unusable("it isn't known whether somebody listens on " + path, error, "set another path");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return unusable("can't remove " + path + ", which nobody listens on", errno, "remove it, or set another path");
  return Ok{};
}

}  // namespace qarax::agent
