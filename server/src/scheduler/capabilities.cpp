#include "capabilities.hpp"

#include <algorithm>

namespace qarax::server {

namespace {

constexpr std::string_view kCapabilities[] = {"pause", "reboot", "resize",  "snapshot",
                                              "disks", "nics",   "console", "counters"};

bool holds(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

std::string interface_of(std::string_view capability) {
  return std::string("qarax.hypervisor.").append(capability).append("/1");
}

// The host serves the console of a VMM with a serial socket. That console is a feature without an interface.
bool is_the_hosts(const core::PluginInfo& plugin, std::string_view capability) {
  return capability == "console" && plugin.description && holds(plugin.description->features, capability);
}

// Why the plugin lacks the capability; empty: it has it.
std::string missing(const core::PluginInfo& plugin, std::string_view capability) {
  if (is_the_hosts(plugin, capability)) return {};
  if (!holds(plugin.interfaces, interface_of(capability))) return "it doesn't offer " + interface_of(capability);
  if (!plugin.description) return {};
  const auto& features = plugin.description->features;
  const bool says = std::any_of(std::begin(kCapabilities), std::end(kCapabilities),
                                [&](std::string_view one) { return holds(features, one); });
  if (!says || holds(features, capability)) return {};
  const std::string& version = plugin.description->vmm_version;
  return "its VMM there" + (version.empty() ? "" : ", version " + version + ",") + " can't";
}

}  // namespace

std::vector<std::string> capabilities_of(const core::PluginInfo& plugin) {
  std::vector<std::string> out;
  for (const std::string_view one : kCapabilities)
    if (missing(plugin, one).empty()) out.emplace_back(one);
  return out;
}

Status check_capability(const core::NodeInfo& node, const std::string& host_name, const std::string& hypervisor,
                        std::string_view capability) {
  for (const core::PluginInfo& plugin : node.plugins) {
    if (plugin.name != hypervisor || plugin.state != core::PluginState::loaded) continue;
    const std::string why = missing(plugin, capability);
    if (why.empty()) return Ok{};
    std::string message = "hypervisor " + plugin.name;
    if (!plugin.version.empty()) message.append(" ").append(plugin.version);
    message.append(" on host ").append(host_name).append(" lacks the capability ").append(capability);
    message.append(": ").append(why);
    Error error = make_error(Code::failed_precondition, std::move(message), "unsupported-by-hypervisor");
    const auto has = capabilities_of(plugin);
    std::string list;
    for (const std::string& one : has) list.append(list.empty() ? "" : ", ").append(one);
    error.hint = "it has: " + (list.empty() ? std::string("none of the optional ones") : list);
    return error;
  }
  return Ok{};
}

}  // namespace qarax::server
