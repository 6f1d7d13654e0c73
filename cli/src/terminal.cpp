#include "terminal.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace qarax::cli {

namespace {

constexpr std::array kWatched = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT};
constexpr std::array kCrashes = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

// The settings that a crash restores. Global, because a signal handler can reach nothing else.
termios crash_restores;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void on_crash(int signal) {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &crash_restores);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

Result<RawTerminal> RawTerminal::enter() {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0)
    return make_error(Code::internal, std::string("standard input is no terminal: ") + std::strerror(errno));
  crash_restores = before;
  for (const int signal : kCrashes) ::signal(signal, on_crash);
  RawTerminal made(before);
  made.enter_again();
  return made;
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept
    : before_(other.before_), owns_(std::exchange(other.owns_, false)) {}

RawTerminal::~RawTerminal() {
  if (!owns_) return;
  leave();
  for (const int signal : kCrashes) ::signal(signal, SIG_DFL);
}

// TCSADRAIN: output written for raw mode is shown before the mode changes.
void RawTerminal::leave() noexcept { ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }

void RawTerminal::enter_again() noexcept {
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

Signals::Signals() {
  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int signal : kWatched) ::sigaddset(&watched, signal);
  ::pthread_sigmask(SIG_BLOCK, &watched, &before_);
  fd_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  if (fd_ >= 0) ::close(fd_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int Signals::take() const noexcept {
  signalfd_siginfo info{};
  return ::read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void obey(int signal) noexcept {
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace qarax::cli
