#pragma once

namespace qarax::http {

// First thing of each thread here: its name, as top and a debugger show it (at most 15 bytes), and no signals, which
// are the main thread's; a SIGPIPE from inside the TLS library must not end the process.
void begin_thread(const char* name) noexcept;

}  // namespace qarax::http
