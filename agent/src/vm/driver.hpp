// The hypervisors as the VM manager sees them: plugins in the agent, fakes in tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct DriverCall {
  std::int64_t deadline_ns = 0;
  int cancel_fd = -1;
  std::string request_id;
  std::function<Status(std::string_view)> keep;  // the handle; durable when it returns
  std::vector<int> fds{};                        // borrowed; of snapshot and restore: [0] is the folder
  // How far the call is; unset: nobody wants to know. The plugin's threads call it.
  std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total)> progress{};
};

// One loaded hypervisor. Calls about one VM come one after the other; different VMs in parallel.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string version() const = 0;  // the plugin's own
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
  // At any time, like inspect.
  virtual Result<Counters> counters(const DriverCall& call, const VmArgs& args) = 0;
};

// The reason of an UNAVAILABLE that passes by itself: the plugin is still being loaded.
inline constexpr std::string_view kPluginLoading = "plugin-loading";

class Drivers {
 public:
  virtual ~Drivers() = default;
  // UNAVAILABLE, with the reason, when it isn't loaded. The driver lives as long as this.
  virtual Result<Driver*> find(const std::string& name) = 0;
};

// Where a start boots from; absent id: the node's default.
class BootFilesProvider {
 public:
  virtual ~BootFilesProvider() = default;
  virtual Result<BootFiles> files_for(const std::optional<std::string>& boot_source_id) = 0;
};

}  // namespace qarax::agent
