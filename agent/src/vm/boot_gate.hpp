// Cold boots at the same time are limited: more than the host has CPUs lowers what all of them get done (measured, by a
// sixth under TCG). A slot is held until the guest has calmed down: its VMM took less than half a CPU for a moment.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "call_limits.hpp"
#include "pidfd.hpp"

namespace qarax::agent {

class BootGate {
 public:
  explicit BootGate(std::size_t slots);
  ~BootGate();
  BootGate(const BootGate&) = delete;
  BootGate& operator=(const BootGate&) = delete;

  // A slot, or the limits' error. A caller that finds one free doesn't wait.
  Status enter(const CallLimits& limits);
  // The start failed or needs no CPU of ours: the slot is free at once.
  void leave();
  // The VMM runs: the slot is free when it calms down, ends, or has had it for long enough.
  void leave_when_calm(const ProcessId& vmm);

 private:
  struct Booting {
    std::int32_t pid;
    core::Fd end;        // its pidfd: an ended VMM's slot is free at once
    std::int64_t ticks;  // CPU time used at the last look
    std::int64_t since_ns;
    int calm = 0;  // looks in a row
  };
  void watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_;
  std::vector<Booting> booting_;
  bool stopping_ = false;
  core::Fd wake_;
  std::thread thread_;
};

}  // namespace qarax::agent
