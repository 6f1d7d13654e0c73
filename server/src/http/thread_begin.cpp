#include "http/thread_begin.hpp"

#include <sys/prctl.h>

#include <csignal>

namespace qarax::http {

void begin_thread(const char* name) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  ::prctl(PR_SET_NAME, name);
}

}  // namespace qarax::http
