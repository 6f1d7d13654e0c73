// Names in an error's text, of which there may be any number.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace qarax::server {

// The first eight, and how many more there are: "a, b and 3 more". `name` makes the text of one.
template <class T, class Name>
std::string some_of(const std::vector<T>& all, const Name& name) {
  constexpr std::size_t kNamed = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(all.size(), kNamed); ++i) out.append(i == 0 ? "" : ", ").append(name(all[i]));
  if (all.size() > kNamed) out.append(" and ").append(std::to_string(all.size() - kNamed)).append(" more");
  return out;
}

}  // namespace qarax::server
