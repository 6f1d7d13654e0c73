#include "detach_key.hpp"

#include <cctype>

namespace qarax::cli {

Result<char> parse_detach_key(std::string_view text) {
  std::string_view name = text;
  for (const std::string_view prefix : {"^", "ctrl-", "Ctrl-"}) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    const char upper = name.size() == 1 ? static_cast<char>(std::toupper(static_cast<unsigned char>(name[0]))) : '\0';
    // Not allowed: Ctrl-M and Ctrl-J are the Enter key, Ctrl-[ (escape) begins the codes of the arrow keys.
    if (upper >= 'A' && upper <= '_' && upper != 'M' && upper != 'J' && upper != '[')
      return static_cast<char>(upper & 0x1F);
    break;
  }
  return make_error(Code::invalid_argument, "\"" + std::string(text) +
                                                "\" can't be a detach key; write ^ and a letter or one of ] \\ ^ _, "
                                                "such as ^] or ^a, but neither ^m nor ^j, which are Enter");
}

std::string key_name(char key) { return std::string("Ctrl-") + static_cast<char>(key | 0x40); }

}  // namespace qarax::cli
