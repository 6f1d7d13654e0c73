// A plugin that crashes takes its node down with it: which one, in which call, about which VM is then the last line on
// stderr. For the node alone; a program that has handlers of its own keeps them.
#pragma once

#include <string_view>

namespace qarax::core {

// For SIGSEGV, SIGBUS, SIGABRT, SIGILL and SIGFPE, as far as nobody handles them: a line of what the thread was in,
// then the default action, core dump included. Before any thread that calls a plugin.
void tell_of_crashes();

// While it lives, its thread is in that call; the inner one of two counts.
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
