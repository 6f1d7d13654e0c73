#include "qarax/core/data_dir.hpp"

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

}  // namespace qarax::core
