#include "handlers/readiness.hpp"

#include <exception>
#include <string>
#include <utility>

namespace qarax::server {

namespace {
constexpr std::int64_t kGoodForNs = 1'000'000'000;
}

Readiness::Readiness(std::function<Status()> look, ClockPtr clock)
    : look_(std::move(look)), clock_(clock ? std::move(clock) : std::make_shared<const core::SystemClock>()) {}

Status Readiness::check() {
  std::unique_lock lock(mutex_);
  if (clock_->monotonic_ns() < good_until_ns_) return Ok{};
  if (looking_) {
    ++waiting_;
    changed_.wait(lock, [this, before = looks_] { return looks_ != before; });
    --waiting_;
    return last_;
  }
  looking_ = true;
  lock.unlock();
  Status seen = [&]() -> Status {
    try {
      return look_();
    } catch (const std::exception& e) {
      // Without this catch all others would wait for this check forever.
      return make_error(Code::unavailable, std::string("the database couldn't be asked: ") + e.what());
    }
  }();
  lock.lock();
  last_ = std::move(seen);
  good_until_ns_ = last_ ? clock_->monotonic_ns() + kGoodForNs : 0;
  looking_ = false;
  ++looks_;
  changed_.notify_all();
  return last_;
}

int Readiness::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace qarax::server
