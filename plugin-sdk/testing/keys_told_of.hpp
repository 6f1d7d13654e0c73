// Which keys a commented configuration file tells of: those that are set in it, and those that stand there as a
// comment.
#pragma once

#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace qarax {

// Dotted. A key in a comment belongs where its # stands; prose isn't taken for one, since it begins with a capital or
// has no colon behind its first word.
inline std::set<std::string> keys_told_of(const std::string& path) {
  static const std::regex kKey(R"(^( *)(?:# )?([a-z_0-9]+):(?: (.*))?$)");
  static const std::regex kInner(R"(^\{([a-z_0-9]+):)");
  std::set<std::string> out;
  std::vector<std::pair<std::size_t, std::string>> above;  // with its indentation
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
