// libpq's messages end in a newline and may span several lines.
#pragma once

#include <string>

namespace qarax::server {

inline std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace qarax::server
