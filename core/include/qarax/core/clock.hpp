// Time, injected so that tests can make it pass. Deadlines and ages use the monotonic clock; the wall clock is for
// people only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace qarax::core {

// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t monotonic_ns() const = 0;                   // nanoseconds since an arbitrary start
  virtual std::chrono::system_clock::time_point wall() const = 0;  // may jump, also backwards
};

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  std::int64_t monotonic_ns() const override;
  std::chrono::system_clock::time_point wall() const override;
};

// RFC 3339, UTC, milliseconds: 2026-11-23T13:45:00.123Z
std::string to_rfc3339(std::chrono::system_clock::time_point time);
// Whether the text is a time of RFC 3339, of any zone and with up to nine digits of a fraction, that every client can
// read: in capitals, and without a leap second.
bool is_rfc3339(std::string_view text);

}  // namespace qarax::core
