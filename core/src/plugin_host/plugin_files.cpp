#include "qarax/core/plugin_host/plugin_files.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "path_check.hpp"

namespace qarax::core {
namespace {

namespace fs = std::filesystem;

Result<std::vector<std::string>> libraries_in(const std::string& folder) {
  QARAX_CHECK(check_plugin_path(folder, true));
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".so") found.push_back(it->path().string());
  if (error) return make_error(Code::failed_precondition, "it can't be listed: " + error.message());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

PluginFiles find_plugin_files(const std::vector<PluginFileConfig>& entries) {
  PluginFiles out;
  std::set<std::string> named;
  std::vector<const PluginFileConfig*> folders;
  for (const auto& entry : entries) {
    std::error_code no_folder;
    if (fs::is_directory(entry.path, no_folder))
      folders.push_back(&entry);
    else if (named.insert(entry.path).second)
      out.files.push_back(entry);
  }
  for (const PluginFileConfig* folder : folders) {
    auto found = libraries_in(folder->path);
    if (!found) {
      PluginRecord refused;
      refused.path = folder->path;
      refused.required = folder->required;
      refused.reason = folder->title("plugin folder") + ": " + found.error().message;
      out.refused.push_back(std::move(refused));
      continue;
    }
    for (std::string& path : *found) {
      if (!named.insert(path).second) continue;
      PluginFileConfig& file = out.files.emplace_back(*folder);
      file.path = std::move(path);
    }
  }
  return out;
}

}  // namespace qarax::core
