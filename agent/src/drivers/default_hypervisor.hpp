// Which of a node's plugins runs the VMs that name no hypervisor.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/plugin_host/plugin_record.hpp"

namespace qarax::agent {

// The first of `preferred` that is loaded and healthy, else the first healthy plugin that is no simulator, else the
// first that is loaded. Empty: there is none, or a preferred one may still be loading. `records`: in the order of the
// config.
std::string choose_default_hypervisor(const std::vector<core::PluginRecord>& records,
                                      const std::vector<std::string>& preferred);

}  // namespace qarax::agent
