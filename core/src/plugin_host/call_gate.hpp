// Counts the calls in flight. Once it is closed no call enters any more, and the closer waits for those in flight.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace qarax::core {

class CallGate {
 public:
  // A call in flight, for as long as it lives. False if the gate was already closed.
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

  // Closes the gate. True: no call is in flight; false: some still are at `until`. May be called again.
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
