#include "interfaces.hpp"

#include "qarax/plugin/call.hpp"
#include "qarax/plugin/table.hpp"

namespace qarax::core {
namespace {

template <class Table>
struct Required {
  const char* name;
  qarax_slot Table::*slot;
};

template <class Table, std::size_t N>
Status take(const qarax_plugin_table& plugin, void* instance, const char* id, const Required<Table> (&required)[N],
            const Table*& out) {
  const auto* table = static_cast<const Table*>(plugin.query(instance, plugin::text(id)));
  if (table == nullptr) return Ok{};
  for (const auto& each : required)
    if (plugin::slot_of(table, each.slot) == nullptr)
      return make_error(Code::failed_precondition, std::string("it offers ") + id + ", but its table of " +
                                                       std::to_string(table->size) + " bytes has no `" + each.name +
                                                       "`; offer all of an interface or none of it");
  out = table;
  return Ok{};
}

}  // namespace

std::vector<std::string> HypervisorTables::ids() const {
  std::vector<std::string> ids;
  if (basic != nullptr) ids.emplace_back(QARAX_HYPERVISOR_1);
  if (pause != nullptr) ids.emplace_back(QARAX_HYPERVISOR_PAUSE_1);
  if (reboot != nullptr) ids.emplace_back(QARAX_HYPERVISOR_REBOOT_1);
  if (resize != nullptr) ids.emplace_back(QARAX_HYPERVISOR_RESIZE_1);
  if (snapshot != nullptr) ids.emplace_back(QARAX_HYPERVISOR_SNAPSHOT_1);
  if (disks != nullptr) ids.emplace_back(QARAX_HYPERVISOR_DISKS_1);
  if (nics != nullptr) ids.emplace_back(QARAX_HYPERVISOR_NICS_1);
  if (console != nullptr) ids.emplace_back(QARAX_HYPERVISOR_CONSOLE_1);
  if (counters != nullptr) ids.emplace_back(QARAX_HYPERVISOR_COUNTERS_1);
  return ids;
}

Result<HypervisorTables> query_interfaces(const qarax_plugin_table& plugin, void* instance) {
  using Basic = qarax_hypervisor_1;
  using Pause = qarax_hypervisor_pause_1;
  using Snapshot = qarax_hypervisor_snapshot_1;
  using Disks = qarax_hypervisor_disks_1;
  using Nics = qarax_hypervisor_nics_1;
  HypervisorTables out;
  // `resolve` may be null: the spec is then used as it is.
  QARAX_CHECK(take<Basic>(
      plugin, instance, QARAX_HYPERVISOR_1,
      {{"start", &Basic::start}, {"stop", &Basic::stop}, {"inspect", &Basic::inspect}, {"recover", &Basic::recover}},
      out.basic));
  if (out.basic == nullptr)
    return make_error(Code::failed_precondition,
                      "it offers no interface that this host can use; a hypervisor plugin offers " QARAX_HYPERVISOR_1);
  QARAX_CHECK(take<Pause>(plugin, instance, QARAX_HYPERVISOR_PAUSE_1,
                          {{"pause", &Pause::pause}, {"resume", &Pause::resume}}, out.pause));
  QARAX_CHECK(take<qarax_hypervisor_reboot_1>(plugin, instance, QARAX_HYPERVISOR_REBOOT_1,
                                              {{"reboot", &qarax_hypervisor_reboot_1::reboot}}, out.reboot));
  QARAX_CHECK(take<qarax_hypervisor_resize_1>(plugin, instance, QARAX_HYPERVISOR_RESIZE_1,
                                              {{"resize", &qarax_hypervisor_resize_1::resize}}, out.resize));
  QARAX_CHECK(take<Snapshot>(plugin, instance, QARAX_HYPERVISOR_SNAPSHOT_1,
                             {{"snapshot", &Snapshot::snapshot}, {"restore", &Snapshot::restore}}, out.snapshot));
  QARAX_CHECK(take<Disks>(plugin, instance, QARAX_HYPERVISOR_DISKS_1,
                          {{"attach", &Disks::attach}, {"detach", &Disks::detach}, {"resize", &Disks::resize}},
                          out.disks));
  QARAX_CHECK(take<Nics>(plugin, instance, QARAX_HYPERVISOR_NICS_1,
                         {{"attach", &Nics::attach}, {"detach", &Nics::detach}}, out.nics));
  QARAX_CHECK(take<qarax_hypervisor_console_1>(plugin, instance, QARAX_HYPERVISOR_CONSOLE_1,
                                               {{"open", &qarax_hypervisor_console_1::open}}, out.console));
  QARAX_CHECK(take<qarax_hypervisor_counters_1>(plugin, instance, QARAX_HYPERVISOR_COUNTERS_1,
                                                {{"counters", &qarax_hypervisor_counters_1::counters}}, out.counters));
  return out;
}

}  // namespace qarax::core
