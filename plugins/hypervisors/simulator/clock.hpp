// The simulator's source of time, replaceable so that tests don't wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "qarax/plugin/call.hpp"

namespace qarax::simulator {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() const = 0;  // CLOCK_MONOTONIC; any thread
  // Waits as long as a real VMM would take. DEADLINE_EXCEEDED or CANCELLED as soon as the call ends.
  virtual Status delay(const plugin::Call& call, std::int64_t ms) = 0;
  // Sleeps until `ns`, or until `changed` is notified; `lock` is held on entry and exit.
  virtual void sleep_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, std::int64_t ns) = 0;
};

class SystemClock final : public Clock {
 public:
  std::int64_t now_ns() const override { return plugin::monotonic_ns(); }
  Status delay(const plugin::Call& call, std::int64_t ms) override;
  void sleep_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, std::int64_t ns) override;
};

}  // namespace qarax::simulator
