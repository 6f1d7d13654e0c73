#include "http/thread_begin.hpp"

#include <csignal>
#include <cstdlib>

#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::http {

void begin_thread(const char* name) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  core::name_this_thread(name);
}

void run_thread(const char* name, const std::function<void()>& loop) noexcept {
  begin_thread(name);
  if (core::guarded(name, loop)) return;
  core::flush_logs();
  std::abort();
}

}  // namespace qarax::http
