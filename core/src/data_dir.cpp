#include "qarax/core/data_dir.hpp"

#include <unistd.h>

#include <cstdlib>

#include "qarax/core/files.hpp"

namespace qarax::core {

Status prepare_data_dir(const std::string& path) {
  if (Status made = make_folder(path); !made) {
    made.error().message += "; make the folder for this user, or set another data_dir";
    return std::move(made).error().context("data_dir");
  }
  if (Status ours = check_own_folder(path); !ours) return std::move(ours).error().context("data_dir");
  return Ok{};
}

std::string default_data_dir(std::string_view program) {
  const std::string folder = std::string("/").append(program);
  if (geteuid() == 0) return "/var/lib" + folder;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state + folder;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home + ("/.local/state" + folder);
  return {};
}

}  // namespace qarax::core
