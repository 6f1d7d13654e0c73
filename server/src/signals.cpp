#include "signals.hpp"

#include <algorithm>

namespace qarax::server {

Signals::Signals() {
  ::sigemptyset(&set_);
  ::sigaddset(&set_, SIGTERM);
  ::sigaddset(&set_, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

int Signals::wait() const {
  int number = 0;
  while (::sigwait(&set_, &number) != 0) {
  }
  return number;
}

int Signals::wait_for(std::chrono::milliseconds time) const {
  const timespec limit{time.count() / 1000, (time.count() % 1000) * 1'000'000};
  return std::max(0, ::sigtimedwait(&set_, nullptr, &limit));
}

}  // namespace qarax::server
