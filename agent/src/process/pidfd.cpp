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

core::Fd open_pidfd_of(std::int32_t pid) {
  errno = 0;
  if (pid <= 0) return {};
  return core::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

core::Fd open_pidfd(const ProcessId& id) {
  core::Fd fd = open_pidfd_of(id.pid);
  // Open first, compare second: if the start time matches now, the descriptor refers to that process.
  if (!fd) return {};
  errno = 0;
  if (core::process_start_time(id.pid) != id.start_time) return {};
  return fd;
}

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

bool has_ended(const core::Fd& pidfd) {
  pollfd wait{pidfd.get(), POLLIN, 0};
  return ::poll(&wait, 1, 0) != 0;
}

bool is_alive(const ProcessId& id) {
  const core::Fd fd = open_pidfd(id);
  // Without a free descriptor the start time can't be compared. Any process with that pid counts then, so that a
  // running VM isn't taken for dead.
  if (!fd && is_shortage(errno)) return id.pid > 0 && (::kill(id.pid, 0) == 0 || errno == EPERM);
  return fd && !has_ended(fd);
}

void send_signal(const core::Fd& pidfd, int signal) {
  if (pidfd) ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

void reap(const core::Fd& pidfd) {
  siginfo_t info{};
  ::waitid(kPidfd, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
}

}  // namespace qarax::agent
