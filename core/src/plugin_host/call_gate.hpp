// Counts the calls that are inside, and closes: nobody enters any more, and the closer waits for the rest.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace qarax::core {

class CallGate {
 public:
  // While it lives, close() waits. False where the gate was closed already.
  class Pass {
   public:
    explicit Pass(CallGate& gate) : gate_(gate.enter() ? &gate : nullptr) {}
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    CallGate* gate_;
  };

  // True when nobody is left inside; false at `until`. May be called again.
  bool close(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    closed_ = true;
    return empty_.wait_until(lock, until, [this] { return inside_ == 0; });
  }

 private:
  bool enter() {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0 && closed_) empty_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable empty_;
  int inside_ = 0;
  bool closed_ = false;
};

}  // namespace qarax::core
