#include "qarax/core/logging.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>

namespace qarax::core {

namespace {
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Logger>> loggers;
};
Registry& registry() {
  static Registry all;
  return all;
}
const std::shared_ptr<spdlog::sinks::sink>& shared_sink() {
  static const std::shared_ptr<spdlog::sinks::sink> sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  return sink;
}

spdlog::level::level_enum level_of(LogLevel level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                   spdlog::level::err};
  return kLevels[static_cast<std::size_t>(level)];
}
// True if systemd has connected stderr to its journal; JOURNAL_STREAM in systemd.exec(5).
bool journal_reads() {
  const char* told = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  return told != nullptr && ::fstat(STDERR_FILENO, &file) == 0 &&
         told == std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino);
}

// The syslog priority that the journal reads from the beginning of a line, sd-daemon(3), for `journalctl -p warning`.
class JournalPriority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
    to.push_back(message.level >= spdlog::level::err    ? '3'
                 : message.level == spdlog::level::warn ? '4'
                 : message.level == spdlog::level::info ? '6'
                                                        : '7');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JournalPriority>(); }
};
}  // namespace

void Logger::write(LogLevel level, fmt::string_view text, fmt::format_args args) const {
  const auto as = level_of(level);
  if (!to_->should_log(as)) return;
  // A line that can't be formatted must not stop the work that logs it.
  try {
    fmt::memory_buffer out;
    fmt::vformat_to(fmt::appender(out), text, args);
    to_->log(as, spdlog::string_view_t(out.data(), out.size()));
  } catch (const std::exception& e) {
    to_->log(as, std::string_view("a line of the log could not be written"));
  }
}

void Logger::mute() const { to_->set_level(spdlog::level::off); }

Status init_logging(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off")
    return make_error(Code::invalid_argument, "log.level: \"" + level + "\" is not one of debug, info, warn, error");
  spdlog::set_level(parsed);
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JournalPriority>('*').set_pattern(std::string(journal_reads() ? "<%*>" : "") +
                                                        "%Y-%m-%dT%H:%M:%S.%eZ %l %n %v");
  spdlog::set_formatter(std::move(formatter));
  return Ok{};
}

std::shared_ptr<const Logger> logger(const std::string& component) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  auto& known = all.loggers[component];
  if (known) return known;
  auto made = std::make_shared<spdlog::logger>(component, shared_sink());
  spdlog::initialize_logger(made);
  made->flush_on(spdlog::level::info);
  known = std::make_shared<const Logger>(std::move(made));
  return known;
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
