// JSON merge patches (RFC 7396) that keep the spelling of what they leave alone: a number beyond 64 bits would come out
// rounded, and an escape or an exponent would pass for a change. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "qarax/plugin/json.hpp"

namespace qarax::api {

// A value, or one put together of values, and the text that they were parsed from. Borrows both.
struct Spelled {
  const json::Value& value;
  std::string_view text;
};

// Whether both are the same value, however they are spelled. Members in another order count as another value, and so do
// whole numbers beyond 64 bits in other digits. A number with a fraction or an exponent is compared as a double, also
// with a whole number beyond 64 bits, which it needn't equal then: a client that passes numbers through doubles sends
// back the nearest one as 1.8446744073709552e+19, and has changed nothing.
bool is_same(const Spelled& a, const Spelled& b);

// The text of `target` after `patch`. What the patch doesn't name, or names with the value that is there already, is
// spelled as in `target`; the rest as in `patch`.
std::string merge_patch(const Spelled& target, const Spelled& patch);

// The patch that turns `before` into `after`, of values that were parsed from the text of `after`.
json::Value difference(const Spelled& before, const Spelled& after);

}  // namespace qarax::api
