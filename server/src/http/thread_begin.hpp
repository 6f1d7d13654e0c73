#pragma once

#include <functional>

namespace qarax::http {

// First thing of each thread here: its name, as top and a debugger show it (at most 15 bytes), and no signals, which
// are the main thread's; a SIGPIPE from inside the TLS library must not end the process.
void begin_thread(const char* name) noexcept;

// All of a thread without which the server serves nobody. What escapes `loop` is logged and ends the process: Poco
// would end the thread alone, and say nothing.
void run_thread(const char* name, const std::function<void()>& loop) noexcept;

}  // namespace qarax::http
