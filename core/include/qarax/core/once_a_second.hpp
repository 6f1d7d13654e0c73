// Rate limit for log lines that someone outside can cause: lets one per second through and counts the others.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace qarax::core {

class OnceASecond {
 public:
  // Returns the number of lines suppressed since the last printed one, or nullopt if this line must be suppressed too.
  // `now_ns`: monotonic nanoseconds. Any thread.
  std::optional<std::uint64_t> pass(std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    if (last_ns_ && now_ns - *last_ns_ < 1'000'000'000) {
      ++left_out_;
      return std::nullopt;
    }
    last_ns_ = now_ns;
    return std::exchange(left_out_, 0);
  }

 private:
  std::mutex mutex_;
  std::optional<std::int64_t> last_ns_;
  std::uint64_t left_out_ = 0;
};

}  // namespace qarax::core
