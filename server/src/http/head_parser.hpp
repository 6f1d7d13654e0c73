// Parser of the head of an HTTP/1.x request: strict, few allocations, no sockets, so that it can be fuzzed alone.
// Anything that two implementations could read differently (request smuggling) is refused, never repaired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/request.hpp"

namespace qarax::http {

struct HeadLimits {
  std::size_t max_bytes = std::size_t{16} * 1024;  // request line and all fields
  std::size_t max_target = std::size_t{8} * 1024;
  std::size_t max_fields = 100;
};

// Why a request is refused: a slug of problem_catalogue() and a sentence. Both have static lifetime.
struct Fault {
  std::string_view slug;
  std::string_view detail;
};

struct Framing {
  enum class Body { none, length, chunked };
  Body body = Body::none;
  std::uint64_t length = 0;      // bytes; only with Body::length
  bool keep_alive = true;        // what the client wishes
  bool expect_continue = false;  // the client waits for "100 Continue"
  int minor_version = 1;         // HTTP/1.<minor>
};

// Looks for the empty line that ends the head. `scanned` keeps the progress over the same growing buffer between calls,
// 0 at first, so that bytes sent one by one cost linear time.
struct HeadEnd {
  std::size_t size = 0;  // bytes of the head with its empty line; 0: more bytes are needed
  std::optional<Fault> fault;
};
HeadEnd find_head_end(std::string_view buffer, const HeadLimits& limits, std::size_t& scanned);

// Parses a complete head into `request` (method, target, path, query, headers) and `framing`. On a fault both are
// partly filled: only the headers seen so far may be used, to echo the request id.
std::optional<Fault> parse_head(std::string_view head, const HeadLimits& limits, Request& request, Framing& framing);

}  // namespace qarax::http
