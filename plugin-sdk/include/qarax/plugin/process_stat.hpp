// The fields of /proc/PID/stat, as proc(5) numbers them.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace qarax::plugin {

// `stat`: the file's text. `number`: 3 (the state) or above. Empty: the text has no such field.
inline std::string_view process_stat_field(std::string_view stat, int number) {
  // Field 2, the command's name, may hold spaces and parentheses, so the fields are counted from the last ')' on.
  std::size_t at = stat.rfind(')');
  if (at == std::string_view::npos || number < 3) return {};
  ++at;
  for (int field = 3;; ++field) {
    at = stat.find_first_not_of(" \n", at);
    if (at == std::string_view::npos) return {};
    const std::size_t end = stat.find_first_of(" \n", at);
    if (field == number) return stat.substr(at, end - at);
    if (end == std::string_view::npos) return {};
    at = end;
  }
}

// For every field but the state, which is a letter.
inline std::optional<std::int64_t> process_stat_number(std::string_view stat, int number) {
  const std::string_view field = process_stat_field(stat, number);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(field.data(), field.data() + field.size(), value);
  if (field.empty() || parsed.ec != std::errc{} || parsed.ptr != field.data() + field.size()) return std::nullopt;
  return value;
}

}  // namespace qarax::plugin
