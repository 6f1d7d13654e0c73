#include "status.hpp"

#include <cstdlib>

#include "vmm_life.hpp"

namespace qarax::qemu {

namespace {
constexpr std::string_view kNeverRan = "its start was interrupted before the guest ran";
}

Result<Handle> read_handle(const VmArgs& args) {
  const auto parsed = json::parse(args.handle.text);
  const auto* format = parsed ? parsed->find("format") : nullptr;
  const auto* vmm = parsed ? parsed->find("vmm") : nullptr;
  if (format == nullptr || format->as_int() == nullptr || vmm == nullptr || vmm->as_string() == nullptr ||
      *vmm->as_string() != "qemu")
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the qemu plugin");
  if (*format->as_int() > kHandleFormat)
    return make_error(Code::failed_precondition, "VM " + args.vm +
                                                     " was started by a newer qemu plugin (handle format " +
                                                     std::to_string(*format->as_int()) + ", this one knows " +
                                                     std::to_string(kHandleFormat) + "); upgrade this node's plugin");
  auto handle = decode<Handle>(std::string_view(args.handle.text), Unknown::ignore);
  if (!handle) return make_error(Code::not_found, "VM " + args.vm + "'s handle: " + handle.error().message);
  return handle;
}

VmStatus ended(const Process& process, const Handle* handle) {
  VmStatus status = plugin::ended({"QEMU", {}}, process);
  if (handle != nullptr) {
    status.accelerator = handle->accelerator;
    status.accelerator_evidence = handle->evidence;
  }
  return status;
}

VmStatus alive(const std::string& said, const Handle& handle) {
  VmStatus status;
  status.accelerator = handle.accelerator;
  status.accelerator_evidence = handle.evidence;
  status.live.text = "{\"accelerator\":" + json::to_text(json::Value(handle.accelerator)) +
                     ",\"machine\":" + json::to_text(json::Value(handle.machine)) + "}";
  if (said == "running") {
    status.state = VmState::running;
    status.can = {"pause", "reboot", "stop"};
    return status;
  }
  // Whatever else QEMU is in, the guest's vCPUs stand still.
  status.state = VmState::paused;
  status.can = {"resume", "stop"};
  if (said == "paused") return status;
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
  } else if (said == "prelaunch") {
    status.status_reason = kNeverRan;
    status.can = {"stop"};
  } else {
    status.status_reason = "QEMU says " + json::repair_utf8(said.substr(0, 64));
  }
  return status;
}

bool is_prelaunch(const VmStatus& status) {
  return status.state == VmState::paused && status.status_reason == kNeverRan;
}

}  // namespace qarax::qemu
