// Finds the keys that a commented configuration file mentions: those that are set, and those that are commented out.
#pragma once

#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace qarax {

// Returns dotted keys. The column of the # gives the level of a commented key. Prose isn't taken for a key, because it
// begins with a capital or has no colon after its first word.
inline std::set<std::string> keys_told_of(const std::string& path) {
  static const std::regex kKey(R"(^( *)(?:# )?([a-z_0-9]+):(?: (.*))?$)");
  static const std::regex kInner(R"(^\{([a-z_0-9]+):)");
  std::set<std::string> out;
  std::vector<std::pair<std::size_t, std::string>> above;  // the enclosing keys, with their indentation
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, kKey)) continue;
    const auto indentation = static_cast<std::size_t>(found.length(1));
    while (!above.empty() && above.back().first >= indentation) above.pop_back();
    const std::string key = (above.empty() ? "" : above.back().second + ".") + found.str(2);
    out.insert(key);
    above.emplace_back(indentation, key);
    std::smatch inner;
    if (const std::string value = found.str(3); std::regex_search(value, inner, kInner))
      out.insert(key + "." + inner.str(1));
  }
  return out;
}

}  // namespace qarax
