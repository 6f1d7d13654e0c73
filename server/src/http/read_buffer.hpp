// Received bytes that aren't consumed yet. Holds no memory after release() on an empty buffer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace qarax::http {

class ReadBuffer {
 public:
  std::string_view view() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const noexcept { return begin_ == end_; }
  void consume(std::size_t size) noexcept {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  struct Room {
    char* data;
    std::size_t size;
  };
  // Returns room for at least one more byte; the buffer doubles up to `limit` bytes in all, which must exceed the size
  // of the bytes held.
  Room room(std::size_t limit) {
    if (end_ == capacity_ && begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == capacity_) {
      const std::size_t grown = std::min(std::max<std::size_t>(capacity_ * 2, kFirst), std::max(limit, capacity_ + 1));
      std::unique_ptr<char[]> data(new char[grown]);  // not make_unique: no need to zero it
      if (end_ > 0) std::memcpy(data.get(), data_.get(), end_);
      data_ = std::move(data);
      capacity_ = grown;
    }
    return {data_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t size) noexcept { end_ += size; }
  void release() noexcept {
    if (!empty()) return;
    data_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kFirst = 4096;
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace qarax::http
