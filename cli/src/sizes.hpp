// Sizes (512M, 2G) and addresses as people write them. Units are binary, as usual for memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::cli {

// Parses "512M", "512MiB", "2g" or "134217728" into bytes; K, M, G, T are powers of 1024. Refuses fractions, signs, 0,
// and "MB", which means 1000000 to some and 1048576 to others.
Result<std::int64_t> parse_size(std::string_view text);

struct HostAddress {
  std::string address;
  std::int64_t port = 50051;  // qarax-node's own default
};

// Parses e.g. "10.0.0.7", "node.example:50051", "[fd00::7]:50051", "fd00::7".
Result<HostAddress> parse_host_address(std::string_view text);

// The shortest exact form ("512M", "1536M", "2G"), or one rounded to one decimal if that would be long ("62.7G").
std::string format_size(std::int64_t bytes);

}  // namespace qarax::cli
