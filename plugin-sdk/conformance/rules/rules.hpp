// Every rule of the kit. The rules of an interface are one file, and one line here.
#pragma once

#include "../agent.hpp"
#include "../bench.hpp"
#include "../rule.hpp"

namespace qarax::conformance {

Rules handshake_rules();
Rules start_rules();
Rules stop_rules();
Rules inspect_rules();
Rules recover_rules();
Rules call_rules();
Rules leftover_rules();
Rules pause_rules();
Rules reboot_rules();
Rules resize_rules();
Rules snapshot_rules();
Rules console_rules();
Rules counters_rules();

inline Rules all_rules() {
  Rules out;
  for (const auto group :
       {handshake_rules, start_rules, stop_rules, inspect_rules, recover_rules, call_rules, leftover_rules, pause_rules,
        reboot_rules, resize_rules, snapshot_rules, console_rules, counters_rules})
    for (const Rule& rule : group()) out.push_back(rule);
  return out;
}

// qarax.hypervisor.pause/1 → pause, the name in features and columns. The basic hypervisor interface is "hypervisor";
// the handshake keeps its name.
inline std::string short_name(std::string_view interface_id) {
  constexpr std::string_view kPrefix = "qarax.hypervisor.";
  if (interface_id == QARAX_HYPERVISOR_1) return "hypervisor";
  if (!interface_id.starts_with(kPrefix)) return std::string(interface_id);
  interface_id.remove_prefix(kPrefix.size());
  return std::string(interface_id.substr(0, interface_id.find('/')));
}

}  // namespace qarax::conformance
