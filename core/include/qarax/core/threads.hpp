// What every thread of qarax has: a name, and a border where exceptions end.
#pragma once

#include <exception>
#include <string_view>
#include <utility>

namespace qarax::core {

// Names the calling thread, as `top -H`, /proc/PID/task and a debugger show it. The kernel cuts the name after 15
// bytes.
void name_this_thread(const char* name) noexcept;

// Logs the error of guarded().
void log_escaped(std::string_view thread, std::string_view reason) noexcept;

// Runs one piece of work of a long-lived thread. An exception that left the thread's function would end the process;
// here it ends only `work`: it is logged as an error with the thread's name. False: `work` threw.
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
