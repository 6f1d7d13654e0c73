#include "status.hpp"

#include "devices.hpp"

namespace qarax::cloud_hypervisor {

const plugin::VmmKind& kind() {
  // A thread of its that fails ends it as a guest's power-off does. Its log has errors where nothing else is asked for.
  static const plugin::VmmKind kKind{"Cloud Hypervisor",
                                     {kApiSocket, kSerial},
                                     {"VCPU generated error", "panicked", "Error running ", "Error applying "}};
  return kKind;
}

Result<Handle> read_handle(const VmArgs& args) {
  return plugin::read_handle_as<Handle>(args, "cloud_hv", kHandleFormat);
}

Result<VmSpec> spec_of(const VmArgs& args, const Handle& handle) {
  if (handle.spec) return *handle.spec;
  return make_error(Code::failed_precondition, "VM " + args.vm +
                                                   " was started by a cloud_hv plugin that kept no spec; stop and "
                                                   "start it once to change its hardware while it runs");
}

VmStatus alive(const Info& said, const Handle& handle) {
  VmStatus status;
  status.accelerator = "kvm";
  status.accelerator_evidence = handle.evidence;
  json::Object live{{"version", json::Value(handle.version)}};
  if (said.vcpus) live.emplace_back("vcpus", json::Value(*said.vcpus));
  if (said.memory) live.emplace_back("memory", json::Value(*said.memory));
  plugin::add_ids(live, "disks", handle.disks);
  plugin::add_ids(live, "nics", handle.nics);
  status.live.text = json::to_text(json::Value(std::move(live)));
  if (said.state == "Running") {
    status.state = VmState::running;
    status.can = {"pause", "reboot", "resize", "snapshot", "stop"};
    return status;
  }
  status.state = VmState::paused;
  status.can = {"resume", "snapshot", "stop"};
  if (said.state != "Paused") {
    status.status_reason = "Cloud Hypervisor says " + json::repair_utf8(said.state.substr(0, 64));
    status.can = {"stop"};
  }
  return status;
}

Info as_started(const std::string& state, const VmSpec& spec) { return {state, spec.boot_vcpus, spec.memory_size, {}}; }

VmStatus ended(const Process& process, const Handle* handle) {
  VmStatus status = plugin::ended(kind(), process);
  if (handle == nullptr) return status;
  status.accelerator = "kvm";
  status.accelerator_evidence = handle->evidence;
  return status;
}

bool runs_no_guest(const Result<Info>& said) {
  if (!said) return said.error().code == Code::not_found && said.error().reason == "vmm-refused";
  return said->state == "Created" || said->state == "Shutdown";
}

}  // namespace qarax::cloud_hypervisor
