#include "qarax/core/unix_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace qarax::core {

Result<Fd> connect_unix(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string folder = whole.has_parent_path() ? whole.parent_path().string() : ".";
  // An address through the folder's descriptor is short, however deep the folder is.
  const Fd dir(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return errno_error("can't connect to " + path, errno);
  const std::string address = "/proc/self/fd/" + std::to_string(dir.get()) + "/" + whole.filename().string();
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.size() >= sizeof name.sun_path)
    return make_error(Code::invalid_argument, "can't connect to " + path + ": the file's name is too long");
  std::memcpy(name.sun_path, address.c_str(), address.size() + 1);
  // The backlog of a frozen process, which listens and doesn't accept, fills up: a blocking connect would wait forever.
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("can't make a socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    const int error = errno;
    Error out = errno_error("can't connect to " + path, error);
    if (error == ECONNREFUSED || error == EAGAIN) out.code = Code::unavailable;
    return out;
  }
  if (::fcntl(fd.get(), F_SETFL, 0) != 0) return errno_error("can't connect to " + path, errno);
  return fd;
}

}  // namespace qarax::core
