// Unix sockets. A listening one is handed to the VMM as an open descriptor, so that a client can connect before the VMM
// runs, and again after the agent was restarted.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "qarax/result.hpp"

namespace qarax::plugin {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();
  int get() const { return fd_; }
  void close();

 private:
  int fd_ = -1;
};

// First removes whatever is at the path: the folder is this incarnation's own. Close-on-exec.
Result<Socket> listen_unix(const std::string& folder, const std::string& name);
// NOT_FOUND: no such socket. UNAVAILABLE: nobody listens.
Result<Socket> connect_unix(const std::string& folder, const std::string& name);
// True if a process listens there, even if its queue of connections is full just now.
bool is_listened_on(const std::string& folder, const std::string& name);

// As ::send, but never blocks and raises no SIGPIPE; `fds` are sent with the first byte.
ssize_t send_some(int socket, std::string_view data, const std::vector<int>& fds);

}  // namespace qarax::plugin
