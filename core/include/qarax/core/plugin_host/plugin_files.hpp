// Finds the plugin files that a node's config names.
#pragma once

#include <vector>

#include "qarax/core/plugin_host/plugin_record.hpp"

namespace qarax::core {

struct PluginFiles {
  std::vector<PluginFileConfig> files;  // in the order in which they are loaded
  std::vector<PluginRecord> refused;    // folders that can't be read or that others can write to, each with the reason
};

// `path` of an entry is a file or a folder. Files come first, in the order of the entries; then the *.so files of each
// folder, sorted by name, with the other settings of the folder's entry. A file that is in the list already isn't added
// again. A path that doesn't exist counts as a file, which loading then refuses. Changes nothing; any thread.
PluginFiles find_plugin_files(const std::vector<PluginFileConfig>& entries);

}  // namespace qarax::core
