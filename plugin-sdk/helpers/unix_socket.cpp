#include "unix_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace qarax::plugin {

namespace {

// Connections of clients that gave up stay in the queue of a busy VMM; large enough that they don't fill it.
constexpr int kBacklog = 128;

Error failed(const std::string& what, int error) {
  const Code code = error == ENOENT                            ? Code::not_found
                    : error == ECONNREFUSED || error == EAGAIN ? Code::unavailable
                                                               : Code::internal;
  return make_error(code, what + ": " + std::generic_category().message(error));
}

// An address through the folder's descriptor fits into sockaddr_un, however long the folder's path is.
Result<sockaddr_un> address_of(const Socket& folder, const std::string& name) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + name;
  if (path.size() >= sizeof out.sun_path) return make_error(Code::invalid_argument, "socket name too long: " + name);
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return out;
}

// `error` is set to the errno of what failed.
Result<Socket> try_connect(const std::string& folder, const std::string& name, int& error) {
  const Socket dir(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  error = errno;
  if (dir.get() < 0) return failed("can't open " + folder, error);
  QARAX_TRY(const sockaddr_un address, address_of(dir, name));
  // Non-blocking: with the peer's queue full, connect fails at once instead of waiting forever.
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() >= 0 && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  error = errno;
  return failed("can't connect to " + folder + "/" + name, error);
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

Socket::~Socket() { close(); }

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Socket> listen_unix(const std::string& folder, const std::string& name) {
  const Socket dir(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return failed("can't open " + folder, errno);
  if (::unlinkat(dir.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    return failed("can't remove " + folder + "/" + name, errno);
  QARAX_TRY(const sockaddr_un address, address_of(dir, name));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0 || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), kBacklog) != 0)
    return failed("can't listen on " + folder + "/" + name, errno);
  return socket;
}

Result<Socket> connect_unix(const std::string& folder, const std::string& name) {
  int error = 0;
  return try_connect(folder, name, error);
}

bool is_listened_on(const std::string& folder, const std::string& name) {
  int error = 0;
  return try_connect(folder, name, error) || error == EAGAIN;
}

ssize_t send_some(int socket, std::string_view data, const std::vector<int>& fds) {
  iovec part{const_cast<char*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const std::size_t bytes = fds.size() * sizeof(int);
  std::vector<cmsghdr> control(bytes == 0 ? 0 : CMSG_SPACE(bytes) / sizeof(cmsghdr) + 1);  // cmsghdr for its alignment
  if (bytes > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), fds.data(), bytes);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace qarax::plugin
