// What one thread sleeps on until another has something for it: of all that wait for one lock only who is meant wakes.
// Thread-safe; shared, so that it may be rung after its thread has gone on, or ended.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

namespace qarax::server {

class Bell {
 public:
  // This thread's own, for as long as it lives.
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
  // Returns at once for a ring that nobody has heard yet; that may be one of before, so the caller looks why.
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
