#include "http/chunked.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace qarax::http {
namespace {

constexpr std::size_t kMaxOverhead = 4096;  // bytes of all extensions and trailer fields of one body
constexpr std::size_t kMaxDigits = 16;
constexpr std::uint64_t kMaxChunk = 1ULL << 40U;  // far below the point where the arithmetic could overflow

bool is_text(char c) noexcept { return static_cast<unsigned char>(c) >= 0x20U ? c != 0x7F : c == '\t'; }

}  // namespace

ChunkedDecoder::Status ChunkedDecoder::feed(std::string_view& in, std::string& out, std::size_t limit) {
  while (!in.empty()) {
    if (state_ == State::data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
      if (take > limit - out.size()) return Status::too_large;
      out.append(in, 0, take);
      in.remove_prefix(take);
      left_ -= take;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    const char c = in.front();
    in.remove_prefix(1);
    if (!step(c)) return Status::bad;
    if (finished_) return Status::done;
    if (state_ == State::data && left_ > limit - out.size()) return Status::too_large;
  }
  return Status::more;
}

// Consumes one byte outside chunk data; false if the coding is broken.
bool ChunkedDecoder::step(char c) noexcept {
  switch (state_) {
    case State::size_first:
    case State::size: {
      const int digit = hex_value(c);
      if (digit >= 0) {
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        state_ = State::size;
        return left_ <= kMaxChunk && ++digits_ <= kMaxDigits;
      }
      if (state_ == State::size_first) return false;  // no digit at all
      if (c == '\r') return state_ = State::size_lf, true;
      if (c == ';') return state_ = State::extension, true;
      return false;
    }
    case State::extension:
      if (c == '\r') return state_ = State::size_lf, true;
      return is_text(c) && ++overhead_ <= kMaxOverhead;
    case State::size_lf:
      state_ = left_ == 0 ? State::trailer_start : State::data;
      return c == '\n';
    case State::data:
      return false;  // not reached
    case State::data_cr:
      return state_ = State::data_lf, c == '\r';
    case State::data_lf:
      digits_ = 0;
      return state_ = State::size_first, c == '\n';
    case State::trailer_start:
      if (c == '\r') return state_ = State::end_lf, true;
      state_ = State::trailer;
      return is_token_char(c) && ++overhead_ <= kMaxOverhead;
    case State::trailer:
      if (c == '\r') return state_ = State::trailer_lf, true;
      return is_text(c) && ++overhead_ <= kMaxOverhead;
    case State::trailer_lf:
      return state_ = State::trailer_start, c == '\n';
    case State::end_lf:
      return finished_ = true, c == '\n';
  }
  return false;
}

}  // namespace qarax::http
