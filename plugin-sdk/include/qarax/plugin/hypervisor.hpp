// clang-format off
// What a hypervisor plugin implements in C++. Derive from Hypervisor, and from each capability that the VMM has; in
// plugin.cpp, with qarax/plugin/export.hpp:
//
//   class Foo : public qarax::plugin::Hypervisor, public qarax::plugin::CanPause {
//    public:
//     Foo(qarax::plugin::Host& host, const qarax::CreateArgs& args);  // may throw: the plugin is refused with what()
//     …                                                               // the virtual functions below
//   };
//   QARAX_PLUGIN(Foo, "org.example.hypervisor.foo", "foo", "0.1.0");
//
// clang-format on
// Threads: calls about one VM come one after the other, calls about different VMs in parallel; inspect, describe,
// counters and open_console may come during any other call. The destructor runs with no call in flight and joins the
// plugin's threads. Every call is idempotent. Exceptions become INTERNAL errors at the border.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/device_args.hpp"

namespace qarax::plugin {

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // Health, VMM version, accelerator with evidence, features, limits. Must be quick: called at load and after
  // notify("").
  virtual Result<Description> describe(Call& call) = 0;
  // Returns the spec with every default made explicit; the host freezes it at the VM's first start. INVALID_ARGUMENT
  // for what this VMM can't do. Pure.
  virtual Result<VmSpec> resolve(Call& call, const ResolveArgs& args) {
    static_cast<void>(call);
    return args.spec;
  }
  // Returns when the guest's vCPUs run. Keep a handle before spawning. If this incarnation runs already, returns its
  // status.
  virtual Result<VmStatus> start(Call& call, const StartArgs& args) = 0;
  // graceful: power button, then kill after timeout_ms; a paused VM is killed at once. force: kill. Returns when no VMM
  // is left. Works without a handle; a newer version's is FAILED_PRECONDITION only if graceful: may_stop() in
  // handle.hpp.
  virtual Result<VmStatus> stop(Call& call, const StopArgs& args) = 0;
  // Reports the VM's state now and never changes anything. NOT_FOUND for a handle that isn't this plugin's.
  virtual Result<VmStatus> inspect(Call& call, const VmArgs& args) = 0;
  // Called after the agent's restart. With a handle: adopt the VM. Without: remove (or adopt) what an interrupted start
  // left.
  virtual Result<VmStatus> recover(Call& call, const VmArgs& args) = 0;
};

class CanPause {
 public:
  virtual ~CanPause() = default;
  virtual Result<VmStatus> pause(Call& call, const VmArgs& args) = 0;
  virtual Result<VmStatus> resume(Call& call, const VmArgs& args) = 0;
};

class CanReboot {
 public:
  virtual ~CanReboot() = default;
  virtual Result<VmStatus> reboot(Call& call, const VmArgs& args) = 0;
};

class CanResize {
 public:
  virtual ~CanResize() = default;
  virtual Result<VmStatus> resize(Call& call, const ResizeArgs& args) = 0;
};

class CanSnapshot {
 public:
  virtual ~CanSnapshot() = default;
  virtual Result<VmStatus> snapshot(Call& call, const SnapshotArgs& args) = 0;  // call.fd(0): folder to write to
  virtual Result<VmStatus> restore(Call& call, const StartArgs& args) = 0;      // call.fd(0): folder to read from
};

// Idempotent by the device's id. `keep` the handle before the device exists and again when it is gone.
class CanDisks {
 public:
  virtual ~CanDisks() = default;
  // With args.disk.fd, call.fd(*args.disk.fd) is the open file. ALREADY_EXISTS: a different disk has that id.
  virtual Result<VmStatus> attach_disk(Call& call, const DiskArgs& args) = 0;
  virtual Result<VmStatus> detach_disk(Call& call, const DetachArgs& args) = 0;
  // The volume has the new size already, or the VMM gives it that size. NOT_FOUND: no such disk.
  virtual Result<VmStatus> resize_disk(Call& call, const DiskResizeArgs& args) = 0;
};

class CanNics {
 public:
  virtual ~CanNics() = default;
  virtual Result<VmStatus> attach_nic(Call& call, const NicArgs& args) = 0;  // call.fd(args.nic.fds[i]): queue i
  virtual Result<VmStatus> detach_nic(Call& call, const DetachArgs& args) = 0;
};

class CanConsole {
 public:
  virtual ~CanConsole() = default;
  virtual Result<int> open_console(Call& call, const VmArgs& args) = 0;  // a stream socket; the host then owns it
};

class CanCounters {
 public:
  virtual ~CanCounters() = default;
  virtual Result<Counters> counters(Call& call, const VmArgs& args) = 0;
};

enum class LogLevel { debug = QARAX_LOG_DEBUG, info = QARAX_LOG_INFO, warn = QARAX_LOG_WARN, error = QARAX_LOG_ERROR };

// The host's services, typed. Outlives the plugin's instance; may be called from any thread; log and notify only
// enqueue. If an older host lacks a service, the call returns UNIMPLEMENTED (log and notify do nothing).
class Host {
 public:
  virtual ~Host() = default;
  virtual void log(LogLevel level, std::string_view message) = 0;
  virtual void notify(std::string_view vm) = 0;
  // qarax.host.process/1, see abi.h. `parent` gives deadline, cancel fd and request id; null: none of them.
  virtual Result<Process> spawn(const Call* parent, const SpawnArgs& args, const std::vector<int>& fds) = 0;
  virtual Result<Process> find(const Call* parent, const ProcessArgs& args) = 0;
  virtual Status signal(const Call* parent, const SignalArgs& args) = 0;
  virtual Status kill(const Call* parent, const ProcessArgs& args) = 0;
  // Waits for `timeout_ms`, and never past the parent's deadline. DEADLINE_EXCEEDED: the process still runs.
  virtual Result<Process> wait(const Call* parent, const ProcessArgs& args, std::int64_t timeout_ms) = 0;
  virtual Status claim(const Call* parent, const ClaimArgs& args) = 0;
  virtual Status release(const Call* parent, const ClaimArgs& args) = 0;
  virtual Result<RunResult> run(const Call* parent, const RunArgs& args, std::int64_t timeout_ms) = 0;
};

}  // namespace qarax::plugin
