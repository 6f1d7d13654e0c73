#include "qarax/core/clock.hpp"

#include <cstdio>
#include <ctime>

namespace qarax::core {

std::int64_t SystemClock::monotonic_ns() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

std::chrono::system_clock::time_point SystemClock::wall() const { return std::chrono::system_clock::now(); }

std::string to_rfc3339(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(ms % 1000));
  return buffer;
}

bool is_rfc3339(std::string_view text) {
  // Takes a number of that many digits off the text; -1: there are none.
  const auto number = [&](std::size_t digits) {
    if (text.size() < digits) return -1;
    int out = 0;
    for (const char c : text.substr(0, digits)) {
      if (c < '0' || c > '9') return -1;
      out = out * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return out;
  };
  const auto is_next = [&](char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto is_below = [](int value, int limit) { return value >= 0 && value < limit; };

  const int year = number(4);
  if (year < 1 || !is_next('-')) return false;
  const int month = number(2);
  if (month < 1 || !is_next('-')) return false;
  const int day = number(2);
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (day < 1 || !date.ok() || !is_next('T')) return false;
  if (!is_below(number(2), 24) || !is_next(':')) return false;
  if (!is_below(number(2), 60) || !is_next(':')) return false;
  if (!is_below(number(2), 60)) return false;
  if (is_next('.')) {
    int digits = 0;
    while (number(1) >= 0) ++digits;
    if (digits < 1 || digits > 9) return false;
  }
  if (is_next('Z')) return text.empty();
  if (!is_next('+') && !is_next('-')) return false;
  return is_below(number(2), 24) && is_next(':') && is_below(number(2), 60) && text.empty();
}

}  // namespace qarax::core
