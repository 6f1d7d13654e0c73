// The terminal that a console is attached to, and the signals that would otherwise leave it in raw mode.
#pragma once

#include <signal.h>
#include <termios.h>

#include "qarax/result.hpp"

namespace qarax::cli {

// Puts the terminal into raw mode: every key reaches the program, nothing is echoed or changed. Only one object at a
// time. The destructor restores the settings, and so does a crash of the process.
class RawTerminal {
 public:
  // Fails if standard input is no terminal.
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

// Turns the signals that end or stop a program into a descriptor for poll(), for the lifetime of the object.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const noexcept { return fd_; }
  // The next signal, or 0 if there is none.
  int take() const noexcept;

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// Ends or stops this process as the signal would have done without Signals.
void obey(int signal) noexcept;

}  // namespace qarax::cli
