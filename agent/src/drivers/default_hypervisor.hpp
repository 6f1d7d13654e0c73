// Which of a node's plugins runs the VMs that name no hypervisor.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/plugin_host/plugin_record.hpp"

namespace qarax::agent {

// The first of `preferred` that is loaded and healthy, else the first healthy plugin that is no simulator, else the
// first that is loaded and no simulator. A simulator only where it is preferred, or where no other plugin is
// configured, not even one that was refused. Empty: there is none, or one that would come before may still be loading.
// `records`: in the order of the config.
std::string choose_default_hypervisor(const std::vector<core::PluginRecord>& records,
                                      const std::vector<std::string>& preferred);

}  // namespace qarax::agent
