#pragma once

namespace qarax::http {

// To be called first on each thread of the HTTP layer. Sets the thread's name as top and a debugger show it (at most 15
// bytes) and blocks all signals: they belong to the main thread, and a SIGPIPE from inside the TLS library must not end
// the process.
void begin_thread(const char* name) noexcept;

}  // namespace qarax::http
