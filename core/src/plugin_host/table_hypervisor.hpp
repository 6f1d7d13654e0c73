// Implements LoadedHypervisor with the C tables of one plugin instance.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "call_gate.hpp"
#include "interfaces.hpp"
#include "plugin_call.hpp"
#include "qarax/core/plugin_host/loaded_hypervisor.hpp"

namespace qarax::core {

class TableHypervisor final : public LoadedHypervisor {
 public:
  // `table`, `instance` and what `interfaces` points to live as long as the process.
  TableHypervisor(const qarax_plugin_table& table, void* instance, const HypervisorTables& interfaces);

  // Refuses new calls. True: no call is in flight; false: some still are at `until`.
  bool close(std::chrono::steady_clock::time_point until) { return gate_.close(until); }
  // Call it after close(), at most once.
  void destroy();

  const std::string& name() const override { return name_; }
  const std::string& version() const override { return version_; }
  bool supports(std::string_view interface_id) const override;

  Result<Description> describe(const CallContext& context) override;
  Result<VmSpec> resolve(const CallContext& context, const ResolveArgs& args) override;
  Result<VmStatus> start(const CallContext& context, const StartArgs& args) override;
  Result<VmStatus> stop(const CallContext& context, const StopArgs& args) override;
  Result<VmStatus> inspect(const CallContext& context, const VmArgs& args) override;
  Result<VmStatus> recover(const CallContext& context, const VmArgs& args) override;
  Result<VmStatus> pause(const CallContext& context, const VmArgs& args) override;
  Result<VmStatus> resume(const CallContext& context, const VmArgs& args) override;
  Result<VmStatus> reboot(const CallContext& context, const VmArgs& args) override;
  Result<VmStatus> resize(const CallContext& context, const ResizeArgs& args) override;
  Result<VmStatus> snapshot(const CallContext& context, const SnapshotArgs& args) override;
  Result<VmStatus> restore(const CallContext& context, const StartArgs& args) override;
  Result<VmStatus> attach_disk(const CallContext& context, const DiskArgs& args) override;
  Result<VmStatus> detach_disk(const CallContext& context, const DetachArgs& args) override;
  Result<VmStatus> resize_disk(const CallContext& context, const DiskResizeArgs& args) override;
  Result<VmStatus> attach_nic(const CallContext& context, const NicArgs& args) override;
  Result<VmStatus> detach_nic(const CallContext& context, const DetachArgs& args) override;
  Result<Counters> counters(const CallContext& context, const VmArgs& args) override;
  Result<Fd> open_console(const CallContext& context, const VmArgs& args) override;
  Result<std::string> call_raw(const CallContext& context, std::string_view slot, const std::string& args) override;

 private:
  template <class R, class Table, class Args>
  Result<R> call(const Table* table, std::string_view interface_id, qarax_slot Table::*slot, std::string_view action,
                 const CallContext& context, const Args& args);
  template <class R>
  Result<R> invoke(qarax_slot slot, std::string_view action, const CallContext& context, const std::string& args,
                   std::string vm);
  template <class Args>
  Result<std::string> raw(qarax_slot slot, const std::string& what, PluginCall& call, const Args& args);
  Error unimplemented(std::string_view action, std::string_view interface_id) const;
  std::string what(std::string_view action) const;

  const std::string name_;
  const std::string version_;
  const qarax_plugin_table& table_;
  void* instance_;
  const HypervisorTables interfaces_;
  CallGate gate_;
};

}  // namespace qarax::core
