#include "redact.hpp"

namespace qarax::agent {

void hide_folder(std::string& text, std::string_view folder) {
  constexpr std::string_view kInstead = "<data_dir>";
  if (folder.empty()) return;
  for (std::size_t at = 0; (at = text.find(folder, at)) != std::string::npos; at += kInstead.size())
    text.replace(at, folder.size(), kInstead);
}

}  // namespace qarax::agent
