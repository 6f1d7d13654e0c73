#include "clock.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>

namespace qarax::simulator {

namespace {
constexpr std::int64_t kTellEveryMs = 250;
}

Status SystemClock::delay(const plugin::Call& call, std::int64_t ms) {
  const std::int64_t until = now_ns() + ms * 1'000'000;
  for (std::int64_t left = ms; left > 0; left = (until - now_ns() + 999'999) / 1'000'000) {
    call.progress("delay", static_cast<std::uint64_t>(ms - left), static_cast<std::uint64_t>(ms));
    if (call.expired())
      return make_error(Code::deadline_exceeded, "the simulated delay is longer than the call's deadline");
    pollfd cancel{call.cancel_fd(), POLLIN, 0};
    const int wait = call.remaining_ms(static_cast<int>(std::min(left, kTellEveryMs)));
    if (::poll(&cancel, call.cancel_fd() >= 0 ? 1 : 0, wait) > 0)
      return make_error(Code::cancelled, "the call was cancelled during a simulated delay");
  }
  return Ok{};
}

void SystemClock::sleep_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, std::int64_t ns) {
  changed.wait_for(lock, std::chrono::nanoseconds(std::max<std::int64_t>(0, ns - now_ns())));
}

}  // namespace qarax::simulator
