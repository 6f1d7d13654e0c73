#include "pidfd.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace qarax::agent {

namespace {
constexpr idtype_t kPidfd = static_cast<idtype_t>(3);  // P_PIDFD, which glibc's header defines only since 2.36
}

core::Fd open_pidfd(const ProcessId& id) {
  errno = 0;
  if (id.pid <= 0) return {};
  core::Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
  // Open first, compare second: if the start time matches now, the descriptor refers to that process.
  if (!fd) return {};
  errno = 0;
  if (core::process_start_time(id.pid) != id.start_time) return {};
  return fd;
}

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

bool is_alive(const ProcessId& id) {
  const core::Fd fd = open_pidfd(id);
  // Without a free descriptor the start time can't be compared. Any process with that pid counts then, so that a
  // running VM isn't taken for dead.
  if (!fd && is_shortage(errno)) return id.pid > 0 && (::kill(id.pid, 0) == 0 || errno == EPERM);
  if (!fd) return false;
  pollfd wait{fd.get(), POLLIN, 0};
  return ::poll(&wait, 1, 0) == 0;
}

void send_signal(const core::Fd& pidfd, int signal) {
  if (pidfd) ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

void reap(const core::Fd& pidfd) {
  siginfo_t info{};
  ::waitid(kPidfd, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
}

}  // namespace qarax::agent
