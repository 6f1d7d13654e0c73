// Guards what belongs to the process and not to a plugin: signal dispositions and mask, working folder, umask, locale,
// environment. Records these before a plugin's first code runs and restores them afterwards.
#pragma once

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "qarax/core/files.hpp"

namespace qarax::core {

class ProcessGuard {
 public:
  // Records the settings of now. The process must not change them itself from here on.
  ProcessGuard();
  // Restores what differs and returns a phrase for each change ("ignored SIGCHLD"). Any thread whose signal mask was
  // that of the thread that made this: it is compared and restored, too.
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
