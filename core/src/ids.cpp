#include "qarax/core/ids.hpp"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>

#include "qarax/core/files.hpp"

namespace qarax::core {

namespace {

using Bytes = std::array<std::uint8_t, 16>;

Bytes random_bytes() {
  Bytes bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("getrandom failed");
  return bytes;
}

std::string uuid_of(Bytes bytes, std::uint8_t version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out.push_back(kHex[bytes[i] >> 4]);
    out.push_back(kHex[bytes[i] & 15]);
  }
  return out;
}

}  // namespace

std::string new_uuid() { return uuid_of(random_bytes(), 4); }

std::string new_ordered_uuid() {
  // Milliseconds, followed by a counter of twelve bits: the last value plus one whenever the clock isn't ahead of it.
  static std::atomic<std::uint64_t> last{0};
  const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                  std::chrono::system_clock::now().time_since_epoch())
                                                  .count())
                   << 12U;
  std::uint64_t before = last.load();
  std::uint64_t mine = 0;
  do mine = std::max(now, before + 1);
  while (!last.compare_exchange_weak(before, mine));
  Bytes bytes = random_bytes();
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(mine >> (52 - 8 * i));
  bytes[6] = static_cast<std::uint8_t>((mine >> 8U) & 0x0FU);
  bytes[7] = static_cast<std::uint8_t>(mine & 0xFFU);
  return uuid_of(bytes, 7);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

namespace {
std::string first_line(const char* path) {
  auto text = read_file(path, 4096);
  return text ? text->substr(0, text->find('\n')) : std::string();
}
}  // namespace

// FNV-1a, 64 bits.
std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash));
  return out;
}

std::string machine_id() { return first_line("/etc/machine-id"); }

const std::string& boot_id() {
  static const std::string id = first_line("/proc/sys/kernel/random/boot_id");
  return id;
}

const std::string& boot_identity() {
  static const std::string identity = [] {
    std::string out = boot_id();
    struct stat ns {};
    if (stat("/proc/self/ns/pid", &ns) == 0) out += "/" + std::to_string(ns.st_ino);
    return out + "/" + std::to_string(process_start_time(1).value_or(0));
  }();
  return identity;
}

}  // namespace qarax::core
