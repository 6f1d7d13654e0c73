// The name of a thread in `top -H`, /proc/PID/task and a debugger.
#pragma once

namespace qarax::core {

// Names the calling thread. The kernel cuts the name after 15 bytes.
void name_this_thread(const char* name) noexcept;

}  // namespace qarax::core
