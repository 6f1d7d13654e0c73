// What a thread is called in `top -H`, /proc/PID/task and a debugger.
#pragma once

namespace qarax::core {

// The caller's own. What is beyond the kernel's 15 bytes is cut off.
void name_this_thread(const char* name) noexcept;

}  // namespace qarax::core
