#include "timers.hpp"

#include <chrono>

#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::agent {

Timers::Handle Timers::at(std::int64_t monotonic_ns, std::function<void()> work) {
  Handle handle;
  {
    const std::lock_guard lock(mutex_);
    handle = {monotonic_ns, ++made_};
    if (stopping_) return handle;
    // Only a new earliest entry changes how long the thread sleeps.
    const auto added = due_.emplace(handle, std::move(work)).first;
    if (added != due_.begin()) return handle;
  }
  changed_.notify_all();
  return handle;
}

void Timers::forget(const Handle& handle) {
  std::function<void()> work;  // destroyed after the lock is released, because destructors of what it holds may run
  const std::lock_guard lock(mutex_);
  const auto found = due_.find(handle);
  if (found == due_.end()) return;
  work = std::move(found->second);
  due_.erase(found);
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
  core::name_this_thread("timers");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const std::int64_t left = due_.begin()->first.first - plugin::monotonic_ns();
    if (left > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(left));
      continue;
    }
    auto work = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    lock.unlock();
    core::guarded("timers", work);
    work = nullptr;
    lock.lock();
  }
}

}  // namespace qarax::agent
