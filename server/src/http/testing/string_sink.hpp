// The reader of a streamed response: keeps what it is sent, and hangs up once that is `limit` bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "http/response.hpp"

namespace qarax::http::testing {

class StringSink final : public StreamSink {
 public:
  bool write(std::string_view piece) override {
    text.append(piece);
    return text.size() < limit;
  }
  bool wait(std::chrono::milliseconds) override { return text.size() < limit; }
  std::string text;
  std::size_t limit = 1 << 20;
};

}  // namespace qarax::http::testing
