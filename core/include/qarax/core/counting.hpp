// What server and node count.
#pragma once

#include <cstdint>

namespace qarax::core {

// Of terms, revisions, incarnations, editions and positions, which are counted by one: what is above this was counted
// by nobody. It is far from where another one overflows, and exact in every reader of JSON.
inline constexpr std::int64_t kLargestNumber = std::int64_t{1} << 53;

}  // namespace qarax::core
