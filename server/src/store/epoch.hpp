// Numbers of the epochs in which events are counted.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace qarax::server {

// The epoch of an activation that begins at `now`. A database that was lost or set back may have used later epochs than
// it knows now, so the number comes from the wall clock. In milliseconds, because a killed server and the one that is
// started from its backup may begin within one second; the last bits are random, because the servers of two copies may
// begin within one millisecond. Below 2^53, the end of a JSON reader's numbers.
inline std::int64_t epoch_at(std::chrono::system_clock::time_point now, std::uint32_t random) {
  constexpr std::int64_t kInAMillisecond = 1 << 10;
  constexpr std::int64_t kLastMs = (std::int64_t{1} << 53) / kInAMillisecond - 1;  // in the year 2248
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return std::min(ms, kLastMs) * kInAMillisecond + random % kInAMillisecond;
}

}  // namespace qarax::server
