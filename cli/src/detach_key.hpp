// The key that ends an attached console.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::cli {

// Parses "^]", "^a" or "ctrl-a", a key pressed with Ctrl.
Result<char> parse_detach_key(std::string_view text);

// The key's name for people, e.g. "Ctrl-]".
std::string key_name(char key);

}  // namespace qarax::cli
