// What one thread sleeps on until another has something for it: only the thread that is meant wakes, not all that wait
// for a common lock. Thread-safe. Shared, so that it may be rung after its thread has gone on or ended.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

namespace qarax::server {

class Bell {
 public:
  // The calling thread's own bell.
  static const std::shared_ptr<Bell>& of_this_thread() {
    thread_local const auto bell = std::make_shared<Bell>();
    return bell;
  }

  void ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    heard_.notify_one();
  }
  // Returns at once if the bell was rung since the last wait(). That ring may be an old one, so the caller checks its
  // condition again.
  void wait() {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [&] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable heard_;
  bool rung_ = false;
};

}  // namespace qarax::server
