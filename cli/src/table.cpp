#include "table.hpp"

#include <algorithm>

#include "qarax/plugin/json.hpp"

namespace qarax::cli {

namespace {

// The number of code points, which equals columns except for wide scripts; names are ASCII by the server's rules.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void pad(std::string& out, std::string_view cell, std::size_t columns) {
  const std::size_t used = width(cell);
  if (used < columns) out.append(columns - used, ' ');
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = json::utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (n == 0) {
      out.append("\xEF\xBF\xBD");
    } else if (c < 0x20 || c == 0x7F || (n == 2 && c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0)) {
      out.push_back(' ');  // C0, DEL and C1: control characters that terminals obey
    } else {
      out.append(text.substr(0, n));
    }
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

std::string coloured_state(const std::string& state, bool colour) {
  if (!colour) return state;
  const char* code = nullptr;
  if (state == "running" || state == "up") code = "\033[32m";
  if (state == "paused" || state == "unknown" || state == "initializing") code = "\033[33m";
  if (state == "down" || state == "installation_failed") code = "\033[31m";
  return code == nullptr ? state : code + state + "\033[0m";
}

Table::Table(std::vector<std::string> headers) { rows_.push_back(std::move(headers)); }

void Table::add(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool colour) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const auto& row = rows_[r];
    for (std::size_t i = 0; i < row.size(); ++i) {
      out.append(coloured_state(row[i], colour && r > 0 && rows_.front()[i] == "STATUS"));
      if (i + 1 < row.size()) pad(out, row[i], widths[i] + 2);
    }
    out.push_back('\n');
  }
  return out;
}

std::string field_list(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::size_t widest = 0;
  for (const auto& [name, value] : fields)
    if (!value.empty()) widest = std::max(widest, width(name));
  std::string out;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    out.append(name).push_back(':');
    pad(out, name, widest + 1);
    out.append(value).push_back('\n');
  }
  return out;
}

}  // namespace qarax::cli
