// spdlog, one logger a component, to stderr. Messages end in key=value pairs with the fixed keys vm= job= host= plugin=
// request=.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "qarax/result.hpp"

namespace qarax::core {

// Once, in main, before any logger is asked for. level: debug, info, warn, error.
Status init_logging(const std::string& level);
// The component's logger; made at the first call. Any thread.
std::shared_ptr<spdlog::logger> logger(const std::string& component);
void flush_logs();
// A value for a key=value tail: quoted when it has spaces; control characters become '?', so that one record stays one
// line.
std::string log_value(std::string_view value);

}  // namespace qarax::core
