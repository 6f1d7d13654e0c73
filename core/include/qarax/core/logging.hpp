// One logger per component; spdlog writes to stderr. Messages end in key=value pairs with the fixed keys vm= job= host=
// plugin= request=.
#pragma once

#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "qarax/result.hpp"

namespace spdlog {
class logger;
}

namespace qarax::core {

enum class LogLevel { debug, info, warn, error };

// A component's log. Any thread. Arguments are type-erased here, so that a source file that logs needn't compile spdlog
// and the formatting of numbers.
class Logger {
 public:
  explicit Logger(std::shared_ptr<spdlog::logger> to) : to_(std::move(to)) {}

  template <class... A>
  void debug(fmt::format_string<A...> text, A&&... args) const {
    write(LogLevel::debug, text, fmt::make_format_args(args...));
  }
  template <class... A>
  void info(fmt::format_string<A...> text, A&&... args) const {
    write(LogLevel::info, text, fmt::make_format_args(args...));
  }
  template <class... A>
  void warn(fmt::format_string<A...> text, A&&... args) const {
    write(LogLevel::warn, text, fmt::make_format_args(args...));
  }
  template <class... A>
  void error(fmt::format_string<A...> text, A&&... args) const {
    write(LogLevel::error, text, fmt::make_format_args(args...));
  }
  template <class... A>
  void log(LogLevel level, fmt::format_string<A...> text, A&&... args) const {
    write(level, text, fmt::make_format_args(args...));
  }
  void mute() const;  // writes nothing more of this component

  // For code that takes an spdlog logger.
  const std::shared_ptr<spdlog::logger>& backend() const { return to_; }

 private:
  void write(LogLevel level, fmt::string_view text, fmt::format_args args) const;

  std::shared_ptr<spdlog::logger> to_;
};

// Call it once, in main, before the first logger(). level: debug, info, warn, error, or off.
Status init_logging(const std::string& level);
// The component's logger, made at the first call. Any thread.
std::shared_ptr<const Logger> logger(const std::string& component);
void flush_logs();
// A value for a key=value pair: quoted if it is empty or has a space, '=' or '"'; control characters become '?', so
// that a record stays one line.
std::string log_value(std::string_view value);

}  // namespace qarax::core
