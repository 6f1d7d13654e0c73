// Sizes and addresses as people write them: 512M, 2G. Binary units, since that is what memory comes in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::cli {

// Bytes of "512M", "512MiB", "2g" or "134217728"; K, M, G, T are powers of 1024. Refused: fractions, signs, 0, and
// "MB", which means 1000000 to some and 1048576 to others.
Result<std::int64_t> parse_size(std::string_view text);

struct HostAddress {
  std::string address;
  std::int64_t port = 50051;  // qarax-node's own default
};

// "10.0.0.7", "node.example:50051", "[fd00::7]:50051", "fd00::7".
Result<HostAddress> parse_host_address(std::string_view text);

// The shortest exact form ("512M", "1536M", "2G"), or one decimal where that would be long ("62.7G").
std::string format_size(std::int64_t bytes);

}  // namespace qarax::cli
