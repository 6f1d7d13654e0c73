#include "vmm_path.hpp"

#include <unistd.h>

#include "text.hpp"
#include "vmm_program.hpp"

namespace qarax::plugin {

namespace {

std::vector<std::string> paths_of(const VmmSearch& search) {
  if (!search.configured.empty()) return {search.configured};
  std::vector<std::string> out;
  for (const std::string& folder : search.folders) out.push_back(folder + "/" + search.name);
  return out;
}

bool is_executable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

// Each cure wants the node's restart: nobody asks an unhealthy plugin again, and its config is read when it is made.
VmmPath find_vmm(const VmmSearch& search) {
  if (!search.configured.empty()) {
    const std::string why = why_not_runnable(search.configured);
    if (why.empty()) return {search.configured, {}};
    return {{},
            "the configured " + search.name + " " + search.configured + " can't be run: " + why +
                "; correct `binary` in the plugin's config and restart the node"};
  }
  for (std::string& path : paths_of(search))
    if (is_executable(path)) return {std::move(path), {}};
  std::string folders;
  for (const std::string& folder : search.folders) folders.append(folders.empty() ? "" : " or ").append(folder);
  return {{},
          "there is no " + search.name + " in " + folders + "; install it" +
              (search.package.empty() ? "" : " (apt-get install " + search.package + ")") +
              ", or set `binary` in the plugin's config, and restart the node"};
}

std::string vmm_fingerprint(const VmmSearch& search) {
  std::string out;
  // Whether it can be run may change without the file.
  for (const std::string& path : paths_of(search)) out += fingerprint(path) + (is_executable(path) ? ":x " : ":- ");
  return out;
}

}  // namespace qarax::plugin
