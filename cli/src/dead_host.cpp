#include "dead_host.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace qarax::cli {

namespace {

constexpr int kIdleSeconds = 15;  // then the kernel asks
constexpr int kAgainSeconds = 5;  // and asks again

// A socket that refuses an option, e.g. one that isn't TCP, works as well without.
void set(int fd, int level, int option, int value) {
  static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
}

}  // namespace

void notice_dead_host(int fd) {
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kAgainSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(kHostGone.count() - kIdleSeconds) / kAgainSeconds);
}

void notice_dead_receiver(int fd) {
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::chrono::milliseconds(kHostGone).count()));
}

}  // namespace qarax::cli
