// What a hypervisor can do on a host, according to its plugin. Checked before a job is recorded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/documents.hpp"

namespace qarax::server {

// Some of pause, reboot, resize, snapshot, disks, nics, console, counters: those that the plugin's code offers
// (interfaces) and that its VMM on that host has (describe.features; if these name none of them, the interfaces alone
// decide).
std::vector<std::string> capabilities_of(const core::PluginInfo& plugin);

// FAILED_PRECONDITION "unsupported-by-hypervisor", naming plugin, capability and host. Ok for a plugin that the node
// doesn't report as loaded: then the node decides.
Status check_capability(const core::NodeInfo& node, const std::string& host_name, const std::string& hypervisor,
                        std::string_view capability);

}  // namespace qarax::server
