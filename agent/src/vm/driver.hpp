// The hypervisors as the VM manager sees them: plugins in the agent, fakes in tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "qarax/core/plugin_host/call_context.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// A call's limits, and what the plugin may use during it.
using DriverCall = core::CallContext;

// One loaded hypervisor. Calls about one VM come one after the other, except inspect() and counters(), which may come
// at any time; calls about different VMs run in parallel.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string version() const = 0;  // the plugin's own version
  virtual Result<VmSpec> resolve(const DriverCall& call, const ResolveArgs& args) = 0;
  virtual Result<VmStatus> start(const DriverCall& call, const StartArgs& args) = 0;
  virtual Result<VmStatus> stop(const DriverCall& call, const StopArgs& args) = 0;
  virtual Result<VmStatus> inspect(const DriverCall& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> recover(const DriverCall& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> pause(const DriverCall& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> resume(const DriverCall& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> reboot(const DriverCall& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> resize(const DriverCall& call, const ResizeArgs& args) = 0;
  virtual Result<VmStatus> snapshot(const DriverCall& call, const SnapshotArgs& args) = 0;
  virtual Result<VmStatus> restore(const DriverCall& call, const StartArgs& args) = 0;
  virtual Result<Counters> counters(const DriverCall& call, const VmArgs& args) = 0;
};

// The reason of an UNAVAILABLE that resolves itself: the plugin is still being loaded.
inline constexpr std::string_view kPluginLoading = "plugin-loading";

class Drivers {
 public:
  virtual ~Drivers() = default;
  // UNAVAILABLE, with the reason, if it isn't loaded. The driver lives as long as this object.
  virtual Result<Driver*> find(const std::string& name) = 0;
};

// Finds the files that a start boots from. No id: the node's default.
class BootFilesProvider {
 public:
  virtual ~BootFilesProvider() = default;
  virtual Result<BootFiles> files_for(const std::optional<std::string>& boot_source_id) = 0;
  // Fails as files_for() would, as far as that shows without creating anything.
  virtual Status check_files(const std::optional<std::string>& boot_source_id) = 0;
};

}  // namespace qarax::agent
