// For lines of a log that whoever is outside can cause: one a second is let through, the others are counted.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace qarax::core {

class OnceASecond {
 public:
  // How many were left out since the last one that was let through; none: this one is left out. `now_ns`: monotonic.
  // Any thread.
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
