// A clock that moves only when a test moves it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "qarax/core/clock.hpp"

namespace qarax::core {

class FakeClock final : public Clock {
 public:
  std::int64_t monotonic_ns() const override { return monotonic_ns_; }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(wall_s_.load()));
  }

  // Time passes for the monotonic clock alone.
  void run(std::chrono::nanoseconds time) { monotonic_ns_ += time.count(); }
  // Somebody sets the wall clock.
  void jump(std::chrono::seconds time) { wall_s_ += time.count(); }

 private:
  std::atomic<std::int64_t> monotonic_ns_{1'000'000'000'000};
  std::atomic<std::int64_t> wall_s_{2'000'000'000};
};

}  // namespace qarax::core
