// What a hypervisor can do on a host, by what its plugin says of itself: asked before anything is recorded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/documents.hpp"

namespace qarax::server {

// pause, reboot, resize, snapshot, disks, nics, console, counters: those that the plugin's code offers (interfaces) and
// its VMM on that host has (describe.features; a plugin that names none of them there leaves it to its interfaces). A
// console is one also where the feature alone is named: the host serves it.
std::vector<std::string> capabilities_of(const core::PluginInfo& plugin);

// FAILED_PRECONDITION "unsupported-by-hypervisor", naming plugin, capability and host. A plugin that the node doesn't
// tell of is left to the node.
Status check_capability(const core::NodeInfo& node, const std::string& host_name, const std::string& hypervisor,
                        std::string_view capability);

}  // namespace qarax::server
