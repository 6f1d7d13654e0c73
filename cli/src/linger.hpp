// How long an attached console goes on after its input, where that is no terminal.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace qarax::cli {

// The time begins once the input has ended and all of it is sent: nothing is left before the guest can have answered,
// and a guest that takes nothing for now, e.g. a paused one, is waited for.
class Linger {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Linger(std::chrono::milliseconds time) : time_(time) {}

  // To be called whenever either may have changed.
  void note(bool has_ended, bool is_sent, Clock::time_point now) {
    if (has_ended && is_sent && !until_) until_ = now + time_;
  }
  bool is_over(Clock::time_point now) const { return until_ && now >= *until_; }
  // The timeout for poll(); -1: none.
  int poll_timeout(Clock::time_point now) const {
    if (!until_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until_ - now).count();
    return static_cast<int>(std::max<std::int64_t>(left, 0));
  }

 private:
  const std::chrono::milliseconds time_;
  std::optional<Clock::time_point> until_;
};

}  // namespace qarax::cli
