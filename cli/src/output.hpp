// Standard output, for std::cout: what a stream of the library's doesn't tell is why a write failed.
#pragma once

#include <array>
#include <streambuf>

#include "qarax/result.hpp"

namespace qarax::cli {

class OutputBuffer final : public std::streambuf {
 public:
  // Borrows the descriptor.
  explicit OutputBuffer(int fd) : fd_(fd) { empty(); }

  // The errno of the first write that failed; 0: none did. Nothing more is written after it.
  int failure() const noexcept { return failure_; }

 protected:
  int_type overflow(int_type byte) override;
  int sync() override { return write_out() ? 0 : -1; }

 private:
  void empty() { setp(bytes_.data(), bytes_.data() + bytes_.size()); }
  bool write_out();

  const int fd_;
  int failure_ = 0;
  std::array<char, 16'384> bytes_{};
};

// What the user is told of output that was lost to `failure`, an errno.
Error output_lost(int failure);

}  // namespace qarax::cli
