#include "default_hypervisor.hpp"

#include <algorithm>

namespace qarax::agent {

namespace {

bool is_usable(const core::PluginRecord& record) {
  return record.state == core::PluginState::loaded && record.description.healthy;
}

// A file says its name only once it was opened.
bool may_become(const core::PluginRecord& record, const std::string& name) {
  return record.state == core::PluginState::loading && (record.name.empty() || record.name == name);
}

bool is_simulator(const core::PluginRecord& record) {
  return record.state == core::PluginState::loaded && record.description.accelerator == "simulated";
}

}  // namespace

std::string choose_default_hypervisor(const std::vector<core::PluginRecord>& records,
                                      const std::vector<std::string>& preferred) {
  for (const std::string& name : preferred) {
    const auto is_it = [&](const core::PluginRecord& record) { return record.name == name && is_usable(record); };
    if (std::any_of(records.begin(), records.end(), is_it)) return name;
    // A VM keeps the hypervisor that it began with, so a choice that a moment later would be another one is not made.
    const auto may_come = [&](const core::PluginRecord& record) { return may_become(record, name); };
    if (std::any_of(records.begin(), records.end(), may_come)) return {};
  }
  // A simulator runs no guest: a VM gets it only where somebody names it, in the VM or in the node's config, or where
  // the node is configured with nothing else.
  const core::PluginRecord* first = nullptr;
  bool simulators_only = true;
  bool any_may_come = false;
  for (const core::PluginRecord& record : records) {
    any_may_come = any_may_come || record.state == core::PluginState::loading;
    if (is_simulator(record)) continue;
    simulators_only = false;
    if (is_usable(record)) return record.name;
    if (first == nullptr && record.state == core::PluginState::loaded) first = &record;
  }
  if (simulators_only) return records.empty() ? std::string() : records.front().name;
  return first == nullptr || any_may_come ? std::string() : first->name;
}

}  // namespace qarax::agent
