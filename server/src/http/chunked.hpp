// Incremental decoder of the chunked transfer coding. Strict: CRLF only, plain hex sizes; extensions and trailer fields
// are bounded in size and dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qarax::http {

class ChunkedDecoder {
 public:
  enum class Status { more, done, bad, too_large };

  // Takes bytes off the front of `in` and appends the decoded ones to `out`, which never grows beyond `limit` bytes.
  // After `done`, the rest of `in` belongs to the next request.
  Status feed(std::string_view& in, std::string& out, std::size_t limit);
  void reset() noexcept { *this = ChunkedDecoder{}; }

 private:
  enum class State {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    end_lf
  };

  bool step(char c) noexcept;

  State state_ = State::size_first;
  std::uint64_t left_ = 0;    // bytes of the current chunk still to come
  std::size_t digits_ = 0;    // digits read of the current chunk's size
  std::size_t overhead_ = 0;  // bytes of extensions and trailer fields so far
  bool finished_ = false;
};

}  // namespace qarax::http
