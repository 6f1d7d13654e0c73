#include "http/request_id.hpp"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <random>

namespace qarax::http {
namespace {

// SplitMix64 with a random seed: ids must be unique but not secret, and a system call for each would cost as much as
// the whole reply.
class IdSource {
 public:
  IdSource() {
    if (::getrandom(&state_, sizeof state_, 0) != static_cast<ssize_t>(sizeof state_)) {
      std::random_device device;
      state_ = (std::uint64_t{device()} << 32U) | device();
    }
  }
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace

bool is_usable_request_id(std::string_view id) noexcept {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    if (c <= 0x20 || c == 0x7F) return false;
  }
  return true;
}

void make_request_id(std::string& out) {
  thread_local IdSource source;
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::array<std::uint64_t, 2> bits = {(source.next() & ~0xF000ULL) | 0x4000ULL,
                                             (source.next() & ~(0xC0ULL << 56U)) | (0x80ULL << 56U)};
  out.resize(36);
  std::size_t at = 0;
  for (unsigned nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) out[at++] = '-';
    out[at++] = kHex[(bits[nibble / 16] >> (60U - 4U * (nibble % 16))) & 15U];
  }
}

}  // namespace qarax::http
