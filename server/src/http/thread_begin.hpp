#pragma once

#include <functional>

namespace qarax::http {

// To be called first on each thread of the HTTP layer. Sets the thread's name as top and a debugger show it (at most 15
// bytes) and blocks all signals: they belong to the main thread, and a SIGPIPE from inside the TLS library must not end
// the process.
void begin_thread(const char* name) noexcept;

// The whole function of a thread that the server can't work without: begin_thread(), then `loop`. An exception that
// leaves `loop` is logged and ends the process; Poco would silently end only the thread.
void run_thread(const char* name, const std::function<void()>& loop) noexcept;

}  // namespace qarax::http
