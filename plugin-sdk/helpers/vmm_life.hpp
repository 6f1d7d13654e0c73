// What is the same for every VMM that is a process with sockets in its run folder: how its end is told, how a start
// that failed is undone, how a guest is given time to power off.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

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

// The VMM and its sockets, as a plugin names them.
struct VmmKind {
  std::string name;                  // for people: QEMU
  std::vector<std::string> sockets;  // in the run folder
};

// Of a process that has ended: shutdown, with the reason.
VmStatus ended(const VmmKind& kind, const Process& process);

void remove_sockets(Host& host, const VmmKind& kind, const std::string& vm, const std::string& run_dir);

// Says why, with the VMM's last words where it died, and leaves nothing behind.
Error undo_start(Host& host, const VmmKind& kind, const StartArgs& args, Error why);

// The power button was pressed: waits for the VMM's end, pressing again each second (a guest that still boots doesn't
// hear it), for as long as the guest was given. `ended`: empty, then it has to be killed, and `why` says so.
struct PowerOff {
  std::optional<Process> ended{};
  std::string why{};
};
Result<PowerOff> wait_for_power_off(Host& host, Call& call, const StopArgs& args, const std::function<void()>& press);

}  // namespace qarax::plugin
