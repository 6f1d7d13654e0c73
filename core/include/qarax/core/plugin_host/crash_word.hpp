// A plugin that crashes takes its node down with it. The last line on stderr then names the plugin, the call and the
// VM. For the node only.
#pragma once

#include <string_view>

namespace qarax::core {

// Installs handlers for those of SIGSEGV, SIGBUS, SIGABRT, SIGILL and SIGFPE that have none yet. A handler prints what
// the crashing thread was doing, then the default action follows, core dump included. Call it before any thread calls a
// plugin.
void tell_of_crashes();

// Says that its thread is in that call, for as long as it lives. If they are nested, the innermost one is printed.
class CrashWord {
 public:
  CrashWord(std::string_view what, std::string_view vm) noexcept;
  ~CrashWord();
  CrashWord(const CrashWord&) = delete;
  CrashWord& operator=(const CrashWord&) = delete;

 private:
  const CrashWord* outer_;
  char text_[256];
  unsigned length_ = 0;
  friend struct CrashWriter;
};

}  // namespace qarax::core
