// How deeply a document nests. What is put into other documents has to leave room for them below kMaxDepth (parse.hpp).
#pragma once

#include <algorithm>

#include "qarax/plugin/json/value.hpp"

namespace qarax::json {

// Objects and arrays within each other; 0 for a string, a number, a boolean or null. A parsed value is at most
// kMaxDepth, which bounds the recursion.
inline int depth_of(const Value& value) {
  int deepest = 0;
  if (const auto* array = value.as_array())
    for (const Value& element : *array) deepest = std::max(deepest, depth_of(element));
  else if (const auto* object = value.as_object())
    for (const Member& member : *object) deepest = std::max(deepest, depth_of(member.second));
  else
    return 0;
  return deepest + 1;
}

}  // namespace qarax::json
