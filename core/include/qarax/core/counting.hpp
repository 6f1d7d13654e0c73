// The limit of the counters that server and node share.
#pragma once

#include <cstdint>

namespace qarax::core {

// Largest value accepted for terms, revisions, incarnations, editions and positions. These grow by one, so a larger
// value is corrupt data. 2^53 is far from an overflow of int64 and exact in every JSON reader.
inline constexpr std::int64_t kLargestNumber = std::int64_t{1} << 53;

}  // namespace qarax::core
