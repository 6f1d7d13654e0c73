// The key that ends an attached console.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::cli {

// "^]", "^a" or "ctrl-a": a key that is pressed with Ctrl.
Result<char> parse_detach_key(std::string_view text);

// "Ctrl-]", for people.
std::string key_name(char key);

}  // namespace qarax::cli
