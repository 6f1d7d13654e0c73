#include "qarax/core/threads.hpp"

#include <sys/prctl.h>

namespace qarax::core {

void name_this_thread(const char* name) noexcept { ::prctl(PR_SET_NAME, name); }

}  // namespace qarax::core
