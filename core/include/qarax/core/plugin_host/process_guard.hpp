// What belongs to the process and not to a plugin: signal dispositions and mask, working folder, umask, locale,
// environment. Looked at before a plugin's first code runs and after, and put back.
#pragma once

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "qarax/core/files.hpp"

namespace qarax::core {

class ProcessGuard {
 public:
  // The process must not change these things itself from here on.
  ProcessGuard();
  // Any thread that has the signal mask of the one that made this. Puts back what differs and says what it was, one
  // phrase each ("ignored SIGCHLD").
  std::vector<std::string> restore();

 private:
  static constexpr int kSignals = 32;  // the classic ones; the C library keeps some of the others for itself
  std::array<struct sigaction, kSignals> actions_{};
  sigset_t mask_{};
  Fd folder_;
  std::string umask_;
  std::string locale_;
  std::vector<std::string> environment_;
};

}  // namespace qarax::core
