#include "vmm_life.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "text.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin {

namespace {
constexpr std::int64_t kPressAgainMs = 1'000;
constexpr std::int64_t kHangUpMs = 1'000;
constexpr std::int64_t kCleanUpMs = 10'000;

// The last log line with a text of VmmKind::failures, for a VMM that exited with code 0; empty: there is none.
std::string hidden_failure(const VmmKind& kind, const ExitInfo& exit) {
  if (exit.kind != ExitKind::exited || exit.code != 0) return {};
  std::size_t last = std::string::npos;
  for (const std::string& words : kind.failures)
    if (const std::size_t at = exit.log_tail.rfind(words);
        last == std::string::npos || (at != std::string::npos && at > last))
      last = at;
  if (last == std::string::npos) return {};
  return last_line(exit.log_tail.substr(0, exit.log_tail.find('\n', last)));
}

// False for the SIGKILL that undoes a start, whoever has sent it.
bool ended_by_itself(const ExitInfo& exit) {
  return exit.kind == ExitKind::exited || (exit.kind == ExitKind::signaled && exit.signal != SIGKILL);
}

}  // namespace

VmStatus ended(const VmmKind& kind, const Process& process) {
  VmStatus status;
  status.state = VmState::shutdown;
  status.exit = process.exit;
  if (!process.exit) return status;
  ExitInfo& exit = *status.exit;
  if (const std::string failure = hidden_failure(kind, exit); !failure.empty()) {
    exit.code = 1;
    status.status_reason = kind.name + " failed: " + failure;
    return status;
  }
  const std::string last = last_line(exit.log_tail);
  switch (exit.kind) {
    case ExitKind::exited:
      status.status_reason = exit.code == 0 ? "the guest powered off"
                                            : kind.name + " exited with code " + std::to_string(exit.code) +
                                                  (last.empty() ? "" : ": " + last);
      break;
    case ExitKind::signaled:
      status.status_reason = kind.name + " was killed by signal " + std::to_string(exit.signal);
      break;
    case ExitKind::unknown:
      status.status_reason = kind.name + " is gone and nothing recorded how it ended (supervisor lost)";
      break;
  }
  return status;
}

Status needs_boot_source(const StartArgs& args) {
  if (!args.boot.kernel.empty()) return Ok{};
  return make_error(
      Code::failed_precondition,
      "the VM names no boot source and this node has no default kernel; set boot.kernel in the node's config",
      "boot-files-missing");
}

Status needs_free_run_dir(const VmmKind& kind, const StartArgs& args) {
  // Only the control socket is tried: a console may accept just one connection.
  const std::string& name = kind.sockets.front();
  if (!is_listened_on(args.run_dir, name)) return Ok{};
  return make_error(Code::failed_precondition,
                    "VM " + args.vm + " can't be started in " + args.run_dir + ": a VMM that runs there listens on " +
                        name + "; end that one first",
                    "host-path-taken");
}

void remove_sockets(Host& host, const VmmKind& kind, const std::string& vm, const std::string& run_dir) {
  OwnCall own(kCleanUpMs);
  for (const std::string& name : kind.sockets) {
    std::string path = run_dir;
    path.append("/").append(name);
    ::unlink(path.c_str());
    static_cast<void>(host.release(own.get(), {vm, "socket", std::move(path)}));
  }
}

Error undo_start(Host& host, const VmmKind& kind, const StartArgs& args, Error why) {
  OwnCall own(kCleanUpMs);
  const ProcessArgs id{args.vm, args.incarnation};
  // The hang-up of a dying VMM's socket is seen a little before its process has ended.
  const auto before = why.code == Code::unavailable ? host.wait(own.get(), id, kHangUpMs) : host.find(own.get(), id);
  // A cancelled or expired start may have had its process ended by the caller: that isn't why it failed.
  const bool given_up = why.code == Code::cancelled || why.code == Code::deadline_exceeded;
  std::optional<Process> died;
  if (before && !before->alive) died = *before;
  if (auto killed = host.kill(own.get(), id); !killed)
    why.message += "; and its process could not be ended: " + killed.error().message;
  if (const auto process = host.find(own.get(), id); process && process->exit) {
    if (why.log_tail.empty()) why.log_tail = process->exit->log_tail;
    // It may have ended by itself, and that not be recorded before, as on a slow disk.
    if (!before && before.error().code == Code::deadline_exceeded && ended_by_itself(*process->exit)) died = *process;
  }
  if (died && !given_up) {
    // Report how the process ended; the error of the hang-up only says how that was noticed.
    why.code = Code::internal;
    why.message = kind.name + " ended during the start of VM " + args.vm + ": " + ended(kind, *died).status_reason;
    why.causes.clear();
    why.reason = "vmm-failed";
  } else if ((why.reason.empty() || why.reason == "vmm-refused") && !given_up) {
    why.reason = "vmm-failed";
  }
  remove_sockets(host, kind, args.vm, args.run_dir);
  return why;
}

namespace {

// How the power button worked out: the VMM that has ended, or why it has to be killed.
struct Pressed {
  std::optional<Process> ended{};
  std::string why{};
};

// After the first press: waits until the VMM has ended or the guest's time is over.
Result<Pressed> wait_for_power_off(Host& host, Call& call, const StopArgs& args, const PowerButton& button) {
  Pressed out;
  const std::int64_t until = monotonic_ns() + args.timeout_ms * 1'000'000;
  for (;;) {
    const std::int64_t left = std::max<std::int64_t>(0, (until - monotonic_ns()) / 1'000'000);
    const auto gone = host.wait(&call, {args.vm.vm, args.vm.incarnation}, std::min(left, kPressAgainMs));
    if (gone && !gone->alive) {
      out.ended = *gone;
      return out;
    }
    if (!gone && gone.error().code != Code::deadline_exceeded) return gone.error();
    if (monotonic_ns() >= until) break;
    // The guest was promised its whole time: if the call expires before that, it is left running.
    if (call.expired())
      return make_error(Code::deadline_exceeded, "the guest has been asked to power off and hasn't yet");
    static_cast<void>(button.press());
  }
  host.log(LogLevel::warn, "the guest ignored the power button, killing it vm=" + args.vm.vm);
  out.why = "killed: the guest did not power off within " + std::to_string(args.timeout_ms) + " ms";
  return out;
}

Result<Pressed> press(Host& host, const VmmKind& kind, Call& call, const StopArgs& args, const PowerButton& button) {
  Pressed out;
  const auto said = button.state();
  if (!said && (said.error().code == Code::cancelled || call.expired())) return said.error();
  if (!said) {
    out.why = "killed: " + kind.name + " could not be asked for a power-off: " + said.error().message;
    return out;
  }
  if (*said != button.running) {
    out.why = "killed at once: a guest that is " + *said + " can't hear the power button";
    return out;
  }
  QARAX_CHECK(button.press());
  return wait_for_power_off(host, call, args, button);
}

}  // namespace

Result<VmStatus> undo_interrupted_start(Host& host, const VmmKind& kind, Call& call, const VmArgs& args) {
  QARAX_CHECK(host.kill(&call, {args.vm, args.incarnation}));
  remove_sockets(host, kind, args.vm, args.run_dir);
  VmStatus undone;
  undone.state = VmState::shutdown;
  undone.status_reason = "its start was interrupted and undone";
  return undone;
}

Result<VmStatus> stop_vmm(Host& host, const VmmKind& kind, Call& call, const StopArgs& args,
                          const PowerButton& button) {
  const ProcessArgs process{args.vm.vm, args.vm.incarnation};
  const auto found = host.find(&call, process);
  if (!found && found.error().code == Code::not_found) {
    VmStatus status;
    status.state = VmState::shutdown;
    return status;
  }
  if (found && !found->alive) return ended(kind, *found);
  std::string why = "killed on request";
  if (args.mode == StopMode::graceful) {
    QARAX_TRY(Pressed pressed, press(host, kind, call, args, button));
    if (pressed.ended) return ended(kind, *pressed.ended);
    why = std::move(pressed.why);
  }
  QARAX_CHECK(host.kill(&call, process));
  QARAX_TRY(const Process last, host.find(&call, process));
  VmStatus status = ended(kind, last);
  // `why` only if the kill ended it: the VMM may have exited by itself before.
  if (last.exit && last.exit->kind == ExitKind::signaled) status.status_reason = why;
  return status;
}

Result<bool> ask_until(Call& call, int most_ms, const std::function<Result<bool>()>& so) {
  constexpr int kLongestStepMs = 100;
  const std::int64_t until = monotonic_ns() + std::int64_t{most_ms} * 1'000'000;
  for (int step = 1;; step = std::min(step * 2, kLongestStepMs)) {
    QARAX_TRY(const bool is_so, so());
    if (is_so) return true;
    if (monotonic_ns() >= until) return false;
    if (call.expired()) return make_error(Code::deadline_exceeded, "the call's time is up");
    pollfd cancel{call.cancel_fd(), POLLIN, 0};
    if (::poll(&cancel, 1, call.remaining_ms(step)) > 0) return make_error(Code::cancelled, "the call was cancelled");
  }
}

}  // namespace qarax::plugin
