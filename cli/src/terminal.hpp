// The terminal that a console is attached to, and the signals that would leave it as a console needs it.
#pragma once

#include <signal.h>
#include <termios.h>

#include "qarax/result.hpp"

namespace qarax::cli {

// Every key reaches the program, nothing is echoed or changed. One at a time; put back by the destructor, and where
// the process crashes.
class RawTerminal {
 public:
  // Of standard input, which is a terminal.
  static Result<RawTerminal> enter();
  RawTerminal(RawTerminal&& other) noexcept;
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  RawTerminal& operator=(RawTerminal&&) = delete;

  void leave() noexcept;
  void enter_again() noexcept;

 private:
  explicit RawTerminal(const termios& before) : before_(before) {}

  termios before_;
  bool owns_ = true;
};

// Signals that end or stop a program, as a descriptor for poll() for as long as this lives.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const noexcept { return fd_; }
  // The next one; 0: there is none.
  int take() const noexcept;

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// Ends or stops this process as the signal would have done by itself.
void obey(int signal) noexcept;

}  // namespace qarax::cli
