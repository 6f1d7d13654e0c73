// The interfaces that this host knows, and the slots that each must have to be accepted.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/abi.h"
#include "qarax/result.hpp"

namespace qarax::core {

struct HypervisorTables {
  const qarax_hypervisor_1* basic = nullptr;  // never null after query_interfaces()
  const qarax_hypervisor_pause_1* pause = nullptr;
  const qarax_hypervisor_reboot_1* reboot = nullptr;
  const qarax_hypervisor_resize_1* resize = nullptr;
  const qarax_hypervisor_snapshot_1* snapshot = nullptr;
  const qarax_hypervisor_disks_1* disks = nullptr;
  const qarax_hypervisor_nics_1* nics = nullptr;
  const qarax_hypervisor_console_1* console = nullptr;
  const qarax_hypervisor_counters_1* counters = nullptr;

  std::vector<std::string> ids() const;
};

// Queries the instance for each interface. A table that is too small, or lacks a slot that its id promises, is an
// error. Newer, larger tables are accepted. May throw whatever the plugin throws.
Result<HypervisorTables> query_interfaces(const qarax_plugin_table& table, void* instance);

}  // namespace qarax::core
