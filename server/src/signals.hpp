// The signals that end the server, taken by whoever asks for them.
#pragma once

#include <chrono>
#include <csignal>

namespace qarax::server {

// Blocks SIGTERM and SIGINT, and ignores SIGPIPE. Made before any thread, so that only wait() and wait_for() receive
// them.
class Signals {
 public:
  Signals();
  int wait() const;
  // The signal, or 0 if none came within `time`.
  int wait_for(std::chrono::milliseconds time) const;

 private:
  sigset_t set_{};
};

}  // namespace qarax::server
