// For texts that leave the host, which must not name its paths.
#pragma once

#include <string>
#include <string_view>

namespace qarax::agent {

// Replaces `folder` by "<data_dir>".
void hide_folder(std::string& text, std::string_view folder);

}  // namespace qarax::agent
