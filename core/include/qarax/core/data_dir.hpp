// The folder that server and node keep their data in (key data_dir).
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::core {

// Makes the folder where there is none and checks that only this program's user may write there. Errors name the key
// and what to do: those of make_folder() and check_own_folder().
Status prepare_data_dir(const std::string& path);

// Where a program keeps its data by default: below /var/lib for root, else in the user's state folder. Empty where the
// environment names neither that (XDG_STATE_HOME) nor a home.
std::string default_data_dir(std::string_view program);

}  // namespace qarax::core
