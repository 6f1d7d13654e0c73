// What is the same for every VMM that is a process with sockets in its run folder: how its handle is read and its end
// told, how a start that failed is undone, how a VM is stopped.
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

// A call of one's own, for what has to be done although the caller's time is up or it has cancelled.
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

// The node's config for a plugin, for its constructor: what it throws refuses the instance. No config: the defaults.
template <class Settings>
Settings settings_or_throw(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

// The VM that a start is about, before it has a handle.
inline VmArgs vm_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

// FAILED_PRECONDITION "boot-files-missing" for a start that boots from nothing.
Status needs_boot_source(const StartArgs& args);

// The VMM and its sockets, as a plugin names them.
struct VmmKind {
  std::string name;                  // for people: QEMU
  std::vector<std::string> sockets;  // in the run folder; first the one that it is asked through
  // What its log says where it failed and exited with code 0 all the same, as after a guest's power-off.
  std::vector<std::string> failures{};
};

// Of a process that has ended: shutdown, with the reason. A failure that the VMM hid behind code 0 is told as code 1:
// code 0 means that the guest has powered off.
VmStatus ended(const VmmKind& kind, const Process& process);

// Before the first socket of a start is made. FAILED_PRECONDITION "host-path-taken" where a VMM listens in that run
// folder: a second one would take its sockets' names, and nobody could ask or end the first any more.
Status needs_free_run_dir(const VmmKind& kind, const StartArgs& args);
void remove_sockets(Host& host, const VmmKind& kind, const std::string& vm, const std::string& run_dir);

// Says why, with the VMM's last words where it died, and leaves nothing behind.
Error undo_start(Host& host, const VmmKind& kind, const StartArgs& args, Error why);
// The same of a start whose agent died before the guest ran a single instruction: shutdown, and why.
Result<VmStatus> undo_interrupted_start(Host& host, const VmmKind& kind, Call& call, const VmArgs& args);

// How a guest is asked to power off, where its VMM runs.
struct PowerButton {
  std::function<Result<std::string>()> state;  // the VMM's word for what the guest does
  std::string running;                         // which word means that it runs
  std::function<Status()> press;
};
// graceful: the button, pressed again each second (a guest that still boots doesn't hear it), then a kill after the
// guest's time, at once where it can't hear it. force: a kill. Success where nothing runs. What is left is shutdown.
Result<VmStatus> stop_vmm(Host& host, const VmmKind& kind, Call& call, const StopArgs& args, const PowerButton& button);

// Asks until it is so, for what a VMM tells nobody by itself; in growing steps up to 100 ms, with nothing held in
// between. False: not within `most_ms`. CANCELLED and DEADLINE_EXCEEDED as the call says.
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
