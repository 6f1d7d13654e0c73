// Counts the commands that were taken and haven't finished, so that the agent's end can wait for them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace qarax::agent {

// Thread-safe. No other lock is taken under its own.
class InFlight {
 public:
  void one_more() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void one_less() {
    {
      const std::lock_guard lock(mutex_);
      --count_;
    }
    changed_.notify_all();
  }
  // Waits until there are none. False: there still are some after `ms`.
  bool are_none_within(std::int64_t ms) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  int count_ = 0;
  std::condition_variable changed_;
};

}  // namespace qarax::agent
