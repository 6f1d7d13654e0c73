// How long a console that is being closed waits for the server's word that all of its input has arrived.
#pragma once

#include <chrono>
#include <cstddef>

namespace qarax::cli {

// There is no limit while what is sent moves or the guest still says something: a guest may take its input slowly.
class ClosingPatience {
 public:
  using Clock = std::chrono::steady_clock;
  // Longer than the server waits while nothing moves, and than a slow guest takes for one step of the kernel's queue.
  static constexpr std::chrono::seconds kStill{30};

  // `queued`: bytes that the kernel has sent, or is to send, and that the server's kernel hasn't got yet.
  ClosingPatience(std::size_t queued, Clock::time_point now) : queued_(queued), moved_at_(now) {}

  void note(std::size_t queued, bool has_heard, Clock::time_point now) {
    if (queued < queued_ || has_heard) moved_at_ = now;
    queued_ = queued;
  }
  bool is_over(Clock::time_point now) const { return now - moved_at_ >= kStill; }

 private:
  std::size_t queued_;
  Clock::time_point moved_at_;
};

}  // namespace qarax::cli
