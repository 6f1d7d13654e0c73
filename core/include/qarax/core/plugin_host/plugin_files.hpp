// Which files the entries of a node's config mean.
#pragma once

#include <vector>

#include "qarax/core/plugin_host/plugin_record.hpp"

namespace qarax::core {

struct PluginFiles {
  std::vector<PluginFileConfig> files;  // in the order in which they are loaded
  std::vector<PluginRecord> refused;    // folders that can't be read, or that others could write: a reason each
};

// `path` of an entry is a file or a folder. Files first, in order of the entries; then each folder's *.so in order of
// name, with all else of its entry, that no other entry names or has brought along. What isn't there is a file, which
// its loading refuses. Reads folders and changes nothing; any thread.
PluginFiles find_plugin_files(const std::vector<PluginFileConfig>& entries);

}  // namespace qarax::core
