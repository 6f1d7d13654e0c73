#include "timers.hpp"

#include <chrono>

#include "qarax/plugin/call.hpp"

namespace qarax::agent {

void Timers::at(std::int64_t monotonic_ns, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    // Only what comes before all others changes until when the thread sleeps.
    const auto added = due_.emplace(monotonic_ns, std::move(work));
    if (added != due_.begin()) return;
  }
  changed_.notify_all();
}

void Timers::in_ms(std::int64_t ms, std::function<void()> work) {
  at(plugin::monotonic_ns() + ms * 1'000'000, std::move(work));
}

void Timers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Timers::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const std::int64_t left = due_.begin()->first - plugin::monotonic_ns();
    if (left > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(left));
      continue;
    }
    auto work = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace qarax::agent
