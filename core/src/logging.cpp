#include "qarax/core/logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>

namespace qarax::core {

namespace {
std::mutex& registry_mutex() {
  static std::mutex mutex;
  return mutex;
}
const std::shared_ptr<spdlog::sinks::sink>& shared_sink() {
  static const std::shared_ptr<spdlog::sinks::sink> sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  return sink;
}
}  // namespace

Status init_logging(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off")
    return make_error(Code::invalid_argument, "log.level: \"" + level + "\" is not one of debug, info, warn, error");
  spdlog::set_level(parsed);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n %v", spdlog::pattern_time_type::utc);
  return Ok{};
}

std::shared_ptr<spdlog::logger> logger(const std::string& component) {
  const std::lock_guard lock(registry_mutex());
  if (auto found = spdlog::get(component)) return found;
  auto made = std::make_shared<spdlog::logger>(component, shared_sink());
  spdlog::initialize_logger(made);
  made->flush_on(spdlog::level::info);
  return made;
}

void flush_logs() {
  spdlog::apply_all([](const std::shared_ptr<spdlog::logger>& one) { one->flush(); });
}

std::string log_value(std::string_view value) {
  std::string out;
  bool quote = value.empty();
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    quote = quote || c == ' ' || c == '=' || c == '"';
    if (u < 0x20 || u == 0x7F)
      out.push_back('?');
    else if (c == '"')
      out.append("\\\"");
    else
      out.push_back(c);
  }
  return quote ? "\"" + out + "\"" : out;
}

}  // namespace qarax::core
