#include "alarms.hpp"

#include <sys/prctl.h>

#include <algorithm>

namespace qarax::simulator {

Alarms::Alarms(Clock& clock, std::function<void(const std::string& vm)> on_due)
    : clock_(clock), on_due_(std::move(on_due)), thread_([this] { run(); }) {}

Alarms::~Alarms() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Alarms::set(const std::string& vm, std::int64_t at_ns) {
  {
    const std::lock_guard lock(mutex_);
    if (at_ns == 0)
      at_.erase(vm);
    else
      at_[vm] = at_ns;
  }
  changed_.notify_all();
}

void Alarms::run() {
  ::prctl(PR_SET_NAME, "alarms");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next =
        std::min_element(at_.begin(), at_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (next == at_.end()) {
      changed_.wait(lock);
    } else if (next->second > clock_.now_ns()) {
      clock_.sleep_until(lock, changed_, next->second);
    } else {
      const std::string vm = next->first;
      at_.erase(next);
      lock.unlock();
      on_due_(vm);
      lock.lock();
    }
  }
}

}  // namespace qarax::simulator
