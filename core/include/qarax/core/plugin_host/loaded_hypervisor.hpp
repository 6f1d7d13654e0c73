// The host's side of one plugin instance: typed calls over the C table. An interface, so that the agent's tests can
// stand in for a plugin.
#pragma once

#include <string>
#include <string_view>

#include "qarax/core/files.hpp"
#include "qarax/core/plugin_host/call_context.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/device_args.hpp"
#include "qarax/plugin/vm_spec.hpp"
#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// Threads as in abi.h: the caller serialises calls about one VM; inspect, describe, counters and open_console may come
// at any time. Every call blocks until the plugin returns. Errors name the plugin; UNIMPLEMENTED: the plugin lacks the
// capability, UNAVAILABLE: PluginHost::shutdown has begun.
class LoadedHypervisor {
 public:
  virtual ~LoadedHypervisor() = default;

  virtual const std::string& name() const = 0;     // short name
  virtual const std::string& version() const = 0;  // the plugin's own
  // By interface id (QARAX_HYPERVISOR_PAUSE_1, …); never changes.
  virtual bool supports(std::string_view interface_id) const = 0;

  virtual Result<Description> describe(const CallContext& context) = 0;
  // For a plugin without `resolve`, returns the spec as it is.
  virtual Result<VmSpec> resolve(const CallContext& context, const ResolveArgs& args) = 0;
  virtual Result<VmStatus> start(const CallContext& context, const StartArgs& args) = 0;
  virtual Result<VmStatus> stop(const CallContext& context, const StopArgs& args) = 0;
  virtual Result<VmStatus> inspect(const CallContext& context, const VmArgs& args) = 0;
  virtual Result<VmStatus> recover(const CallContext& context, const VmArgs& args) = 0;

  virtual Result<VmStatus> pause(const CallContext& context, const VmArgs& args) = 0;
  virtual Result<VmStatus> resume(const CallContext& context, const VmArgs& args) = 0;
  virtual Result<VmStatus> reboot(const CallContext& context, const VmArgs& args) = 0;
  virtual Result<VmStatus> resize(const CallContext& context, const ResizeArgs& args) = 0;
  virtual Result<VmStatus> snapshot(const CallContext& context, const SnapshotArgs& args) = 0;
  virtual Result<VmStatus> restore(const CallContext& context, const StartArgs& args) = 0;
  virtual Result<VmStatus> attach_disk(const CallContext& context, const DiskArgs& args) = 0;
  virtual Result<VmStatus> detach_disk(const CallContext& context, const DetachArgs& args) = 0;
  virtual Result<VmStatus> resize_disk(const CallContext& context, const DiskResizeArgs& args) = 0;
  virtual Result<VmStatus> attach_nic(const CallContext& context, const NicArgs& args) = 0;
  virtual Result<VmStatus> detach_nic(const CallContext& context, const DetachArgs& args) = 0;
  virtual Result<Counters> counters(const CallContext& context, const VmArgs& args) = 0;
  virtual Result<Fd> open_console(const CallContext& context, const VmArgs& args) = 0;

  // For the conformance kit: calls a slot of hypervisor/1 by name, with arguments that no document type can express.
  // Returns the document as the plugin put it.
  virtual Result<std::string> call_raw(const CallContext& context, std::string_view slot, const std::string& args) = 0;
};

}  // namespace qarax::core
