#include "qarax/core/threads.hpp"

#include <sys/prctl.h>

#include "qarax/core/logging.hpp"

namespace qarax::core {

void name_this_thread(const char* name) noexcept { ::prctl(PR_SET_NAME, name); }

void log_escaped(std::string_view thread, std::string_view reason) noexcept {
  try {
    logger("core")->error("work in the background failed thread={} reason={}", thread, log_value(reason));
  } catch (...) {  // NOLINT(bugprone-empty-catch): without memory there is no log line
  }
}

}  // namespace qarax::core
