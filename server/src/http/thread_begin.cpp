#include "http/thread_begin.hpp"

#include <csignal>

#include "qarax/core/threads.hpp"

namespace qarax::http {

void begin_thread(const char* name) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  core::name_this_thread(name);
}

}  // namespace qarax::http
