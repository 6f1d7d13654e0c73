// For VMMs that are a process with sockets in the run folder: reads the handle, explains how the VMM ended, undoes a
// failed start, stops a VM.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qarax/plugin/handle.hpp"
#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

// A call context of the plugin's own, for work that must be done even if the host's call has expired or was cancelled.
class OwnCall {
 public:
  explicit OwnCall(std::int64_t ms) {
    raw_.size = sizeof raw_;
    raw_.cancel_fd = -1;
    raw_.deadline_ns = monotonic_ns() + ms * 1'000'000;
  }
  Call* get() { return &call_; }

 private:
  qarax_call raw_{};
  Call call_{&raw_};
};

// Decodes the plugin's config; for its constructor, which may throw: the plugin is then refused. No config: the
// defaults.
template <class Settings>
Settings settings_or_throw(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

// The arguments that name the VM of a start; without a handle, which it doesn't have yet.
inline VmArgs vm_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

// FAILED_PRECONDITION "boot-files-missing" for a start without a kernel.
Status needs_boot_source(const StartArgs& args);

// The VMM and its sockets, as a plugin names them.
struct VmmKind {
  std::string name;                  // for people: QEMU
  std::vector<std::string> sockets;  // names in the run folder; the first is the control socket
  // Texts in its log that tell a failure, although the VMM exits with code 0 as after the guest's power-off.
  std::vector<std::string> failures{};
};

// The status of a process that has ended: shutdown, with the reason. A failure despite exit code 0 (see
// VmmKind::failures) is reported as code 1: code 0 means that the guest has powered off.
VmStatus ended(const VmmKind& kind, const Process& process);

// Call it before making the first socket of a start. FAILED_PRECONDITION "host-path-taken": a VMM already listens in
// that run folder. A second one would take over its sockets' names, and the first could no longer be controlled.
Status needs_free_run_dir(const VmmKind& kind, const StartArgs& args);
void remove_sockets(Host& host, const VmmKind& kind, const std::string& vm, const std::string& run_dir);

// Kills the process of a failed start and removes its sockets. Returns `why`, with the VMM's log tail if it died.
Error undo_start(Host& host, const VmmKind& kind, const StartArgs& args, Error why);
// The same for a start whose agent died before the guest ran a single instruction; returns shutdown with a reason.
Result<VmStatus> undo_interrupted_start(Host& host, const VmmKind& kind, Call& call, const VmArgs& args);

// How to ask a guest to power off.
struct PowerButton {
  std::function<Result<std::string>()> state;  // the VMM's word for the guest's state
  std::string running;                         // the word that means that the guest runs
  std::function<Status()> press;
};
// graceful: presses the button, again each second since a guest that still boots misses it, and kills the VMM after
// args.timeout_ms; at once if the guest isn't running or can't be asked. force: kills. Success if nothing runs. Returns
// shutdown with the reason.
Result<VmStatus> stop_vmm(Host& host, const VmmKind& kind, Call& call, const StopArgs& args, const PowerButton& button);

// Polls `so` until it returns true, for changes that a VMM doesn't announce; the pauses grow up to 100 ms. Returns
// false after `most_ms` milliseconds, CANCELLED or DEADLINE_EXCEEDED as the call says, and any error of `so`.
Result<bool> ask_until(Call& call, int most_ms, const std::function<Result<bool>()>& so);

// Reads a handle that is a document with an integer `format` and, as `vmm`, the plugin's short name. The errors are
// those of check_handle(); NOT_FOUND, too: the rest of the document can't be read.
template <class Handle>
Result<Handle> read_handle_as(const VmArgs& args, std::string_view vmm, std::int64_t newest) {
  QARAX_CHECK(check_handle(args, "vmm", vmm, newest));
  auto handle = decode<Handle>(std::string_view(args.handle.text), Unknown::ignore);
  if (!handle) return make_error(Code::not_found, "VM " + args.vm + "'s handle: " + handle.error().message);
  return handle;
}

}  // namespace qarax::plugin
