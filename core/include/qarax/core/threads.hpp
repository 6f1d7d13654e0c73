// What all threads of ours have: a name, and a border where exceptions end.
#pragma once

#include <exception>
#include <string_view>
#include <utility>

namespace qarax::core {

// What a thread is called in `top -H`, /proc/PID/task and a debugger.

// The caller's own. What is beyond the kernel's 15 bytes is cut off.
void name_this_thread(const char* name) noexcept;

void log_escaped(std::string_view thread, std::string_view reason) noexcept;

// The border of a thread that lives on: an exception that escaped it would end the process. One piece of `work` fails,
// the log has an error with the thread's name, and the thread goes on with the next. False: something escaped.
template <class Work>
bool guarded(std::string_view thread, Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return true;
  } catch (const std::exception& e) {
    log_escaped(thread, e.what());
  } catch (...) {
    log_escaped(thread, "something that is no std::exception");
  }
  return false;
}

}  // namespace qarax::core
