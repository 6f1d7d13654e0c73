#include "status.hpp"

#include <cstdlib>

#include "devices.hpp"

namespace qarax::qemu {

namespace {
constexpr std::string_view kNeverRan = "its start was interrupted before the guest ran";
constexpr std::string_view kNeverThawed = "its restore was interrupted before the guest ran";

json::Object live_of(const Handle& handle, const std::optional<Sizes>& now) {
  json::Object live{{"accelerator", json::Value(handle.accelerator)}, {"machine", json::Value(handle.machine)}};
  if (now) {
    live.emplace_back("vcpus", json::Value(std::int64_t{now->vcpus}));
    live.emplace_back("memory", json::Value(now->memory));
  }
  plugin::add_ids(live, "disks", handle.disks);
  plugin::add_ids(live, "nics", handle.nics);
  return live;
}

}  // namespace

const plugin::VmmKind& kind() {
  static const plugin::VmmKind kKind{"QEMU", {kMonitor, kSerial}, {"terminating on signal"}};
  return kKind;
}

Result<Handle> read_handle(const VmArgs& args) { return plugin::read_handle_as<Handle>(args, "qemu", kHandleFormat); }

Result<VmSpec> spec_of(const VmArgs& args, const Handle& handle) {
  if (handle.spec) return *handle.spec;
  return make_error(Code::failed_precondition, "VM " + args.vm +
                                                   " was started by a qemu plugin that kept no spec; stop and start "
                                                   "it once to change its hardware while it runs");
}

bool is_resizable(const VmSpec& spec) { return spec.max_vcpus > 1 || spec.memory_hotplug_size.value_or(0) > 0; }

Sizes boot_sizes(const VmSpec& spec) { return {spec.boot_vcpus, spec.memory_size}; }

VmStatus ended(const Process& process, const Handle* handle) {
  VmStatus status = plugin::ended(kind(), process);
  if (handle != nullptr) {
    status.accelerator = handle->accelerator;
    status.accelerator_evidence = handle->evidence;
  }
  return status;
}

VmStatus alive(const std::string& said, const Handle& handle, const std::optional<Sizes>& now) {
  VmStatus status;
  status.accelerator = handle.accelerator;
  status.accelerator_evidence = handle.evidence;
  status.live.text = json::to_text(json::Value(live_of(handle, now)));
  if (said == "running") {
    status.state = VmState::running;
    status.can = {"pause", "reboot", "stop"};
    if (handle.spec && is_resizable(*handle.spec)) status.can.emplace_back("resize");
    if (handle.spec && handle.disks.empty() && handle.nics.empty()) status.can.emplace_back("snapshot");
    return status;
  }
  // In all other states of QEMU the guest's vCPUs are stopped.
  status.state = VmState::paused;
  status.can = {"resume", "stop"};
  if (said == "paused") return status;
  // The state after a snapshot was written.
  if (said == "postmigrate") return status;
  if (said == "io-error") {
    status.status_reason = "QEMU paused the VM after an I/O error; resume tries again";
  } else if (said == "internal-error") {
    status.status_reason = "QEMU paused the VM after an internal error; only stop helps";
    status.can = {"stop"};
  } else if (said == "guest-panicked") {
    status.status_reason = "the guest panicked";
    status.can = {"stop"};
  } else if (said == "shutdown") {
    status.status_reason = "the guest has powered off and QEMU is ending";
    status.can = {"stop"};
  } else if (said == "prelaunch" || said == "inmigrate") {
    status.status_reason = said == "prelaunch" ? kNeverRan : kNeverThawed;
    status.can = {"stop"};
  } else {
    status.status_reason = "QEMU says " + json::repair_utf8(said.substr(0, 64));
  }
  return status;
}

bool is_prelaunch(const VmStatus& status) {
  return (status.state == VmState::paused && status.status_reason == kNeverRan) || awaits_snapshot(status);
}

bool awaits_snapshot(const VmStatus& status) {
  return status.state == VmState::paused && status.status_reason == kNeverThawed;
}

}  // namespace qarax::qemu
