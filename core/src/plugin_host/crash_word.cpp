#include "qarax/core/plugin_host/crash_word.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

namespace qarax::core {

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
constexpr std::size_t kStack = 64u << 10;

std::atomic<bool> installed{false};
thread_local const CrashWord* innermost = nullptr;

// An overflowed stack has no room for the handler: each thread that calls plugins gets an alternate signal stack.
class OtherStack {
 public:
  OtherStack() {
    stack_t now{};
    if (::sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;  // has one, e.g. a sanitizer's
    memory_.reset(new (std::nothrow) char[kStack]);
    if (memory_ == nullptr) return;
    stack_t own{};
    own.ss_sp = memory_.get();
    own.ss_size = kStack;
    if (::sigaltstack(&own, nullptr) != 0) memory_.reset();
  }
  ~OtherStack() {
    if (memory_ == nullptr) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }
  OtherStack(const OtherStack&) = delete;
  OtherStack& operator=(const OtherStack&) = delete;

 private:
  std::unique_ptr<char[]> memory_;
};

const char* name_of(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGABRT:
      return "SIGABRT";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGFPE";
  }
}

void say(const char* text, std::size_t length) {
  if (::write(STDERR_FILENO, text, length) < 0) return;  // there is nowhere to report that
}

}  // namespace

struct CrashWriter {
  // Calls only async-signal-safe functions.
  static void on_crash(int signal) {
    const int before = errno;
    const char* const name = name_of(signal);
    say(name, std::strlen(name));
    if (const CrashWord* word = innermost; word != nullptr) {
      say(" in ", 4);
      say(word->text_, word->length_);
    } else {
      say(" in no plugin's call", 20);
    }
    say("\n", 1);
    errno = before;
    // The signal stays blocked until the handler returns. SA_RESETHAND has restored the default action by then, so the
    // core dump shows where the crash was.
    ::raise(signal);
  }
};

void tell_of_crashes() {
  for (const int signal : kSignals) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction own {};
    own.sa_handler = &CrashWriter::on_crash;
    own.sa_flags = static_cast<int>(SA_ONSTACK | SA_RESETHAND);
    ::sigemptyset(&own.sa_mask);
    ::sigaction(signal, &own, nullptr);
  }
  installed = true;
}

CrashWord::CrashWord(std::string_view what, std::string_view vm) noexcept : outer_(innermost) {
  if (installed) {
    thread_local const OtherStack stack;
    static_cast<void>(stack);
  }
  const auto add = [this](std::string_view part) {
    length_ += static_cast<unsigned>(part.copy(text_ + length_, sizeof text_ - length_));
  };
  add(what);
  if (!vm.empty()) add(" vm=");
  add(vm);
  innermost = this;
}

CrashWord::~CrashWord() { innermost = outer_; }

}  // namespace qarax::core
