#include "sizes.hpp"

#include <charconv>
#include <cstdio>
#include <limits>

namespace qarax::cli {

namespace {

constexpr std::string_view kUnits = "KMGT";
constexpr std::int64_t kStep = 1024;
constexpr std::int64_t kLongest = 9999;  // an exact number above this is harder to read than a rounded one

Error bad_size(std::string_view text, std::string_view why) {
  return make_error(Code::invalid_argument, "\"" + std::string(text) + "\" is no size: " + std::string(why) +
                                                "; write 512M or 2G (K, M, G, T are powers of 1024)");
}

}  // namespace

Result<std::int64_t> parse_size(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return bad_size(text, "it is too large");
  if (error != std::errc{} || text.front() == '-') return bad_size(text, "it must begin with a digit");
  if (value == 0) return bad_size(text, "it is zero");
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty()) return value;
  if (unit.front() == '.') return bad_size(text, "only whole numbers are taken, such as 1536M for 1.5G");
  const auto power = kUnits.find(static_cast<char>(unit.front() >= 'a' ? unit.front() - ('a' - 'A') : unit.front()));
  unit.remove_prefix(1);
  if (power == std::string_view::npos) return bad_size(text, "the unit isn't known");
  if (unit == "B" || unit == "b") return bad_size(text, "that unit is 1000 to some and 1024 to others");
  if (!unit.empty() && unit != "iB") return bad_size(text, "the unit isn't known");
  for (std::size_t i = 0; i <= power; ++i) {
    if (value > std::numeric_limits<std::int64_t>::max() / kStep) return bad_size(text, "it is too large");
    value *= kStep;
  }
  return value;
}

Result<HostAddress> parse_host_address(std::string_view text) {
  const Error bad = make_error(Code::invalid_argument,
                               "\"" + std::string(text) + "\" is no address; write HOST, HOST:PORT or [IPv6]:PORT");
  HostAddress out;
  std::string_view port;
  const auto colon = text.rfind(':');
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad;
    out.address = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (colon != std::string_view::npos && text.find(':') == colon) {
    out.address = text.substr(0, colon);
    port = text.substr(colon);
  } else {
    out.address = text;  // no port: no colon, or several colons, i.e. an IPv6 address
  }
  if (out.address.empty()) return bad;
  if (port.empty()) return out;
  const char* const end = port.data() + port.size();
  const auto [last, error] = std::from_chars(port.data() + 1, end, out.port);
  if (port.front() != ':' || error != std::errc{} || last != end || out.port < 1 || out.port > 65'535) return bad;
  return out;
}

std::string format_size(std::int64_t bytes) {
  std::int64_t exact = bytes;
  std::size_t unit = 0;  // unit of the exact form; 0: bytes
  while (unit < kUnits.size() && exact != 0 && exact % kStep == 0) {
    exact /= kStep;
    ++unit;
  }
  if (exact <= kLongest) return std::to_string(exact) + (unit == 0 ? "" : std::string(1, kUnits[unit - 1]));
  auto rounded = static_cast<double>(bytes);
  for (unit = 0; unit < kUnits.size() && rounded >= static_cast<double>(kStep); ++unit) rounded /= kStep;
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f%c", rounded, kUnits[unit - 1]);
  return buffer;
}

}  // namespace qarax::cli
