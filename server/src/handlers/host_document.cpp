#include "handlers/host_document.hpp"

#include "capabilities.hpp"
#include "handlers/document_parts.hpp"

namespace qarax::server {

namespace {

api::HostPlugin summary(const core::PluginInfo& plugin) {
  api::HostPlugin out;
  out.name = plugin.name;
  out.version = plugin.version;
  const bool loaded = plugin.state == core::PluginState::loaded;
  out.state = to_string(plugin.state);
  out.reason = plugin.reason;
  if (loaded) out.capabilities = capabilities_of(plugin);
  if (plugin.description) {
    out.healthy = loaded && plugin.description->healthy;
    if (out.reason.empty()) out.reason = plugin.description->health_reason;
    out.accelerator = plugin.description->accelerator;
    out.accelerator_evidence = plugin.description->accelerator_evidence;
  }
  return out;
}

static_assert(same_names<HostStatus, api::HostStatus>(), "a status that clients don't know needs a word here first");

}  // namespace

api::Host host_document(const HostRecord& host) {
  api::Host out;
  out.id = host.id;
  out.name = host.name;
  out.address = host.address;
  out.port = static_cast<std::int32_t>(host.port);
  out.status = static_cast<api::HostStatus>(host.status);
  out.host_user = host.host_user;
  out.status_reason = unless_empty(host.status_reason);
  out.node_id = unless_empty(host.node_id);
  out.last_seen_at = unless_empty(host.last_seen);
  if (!host.info) return out;
  const core::NodeInfo& info = *host.info;
  out.node_version = unless_empty(info.version);
  out.hostname = unless_empty(info.hostname);
  out.kernel = unless_empty(info.kernel);
  out.architecture = unless_empty(info.architecture);
  out.cpu_model = unless_empty(info.cpu_model);
  if (info.cpus > 0) out.cpus = info.cpus;
  if (info.memory > 0) out.memory = info.memory;
  out.default_hypervisor = unless_empty(info.default_hypervisor);
  for (const core::PluginInfo& plugin : info.plugins) {
    out.plugins.push_back(summary(plugin));
    if (plugin.description && plugin.name == info.default_hypervisor) {
      out.accelerator = unless_empty(plugin.description->accelerator);
      out.accelerator_evidence = unless_empty(plugin.description->accelerator_evidence);
    }
  }
  return out;
}

}  // namespace qarax::server
