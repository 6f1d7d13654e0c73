#include "vmm_life.hpp"

#include <unistd.h>

#include <algorithm>

#include "text.hpp"

namespace qarax::plugin {

namespace {
constexpr std::int64_t kPressAgainMs = 1'000;
constexpr std::int64_t kHangUpMs = 1'000;
constexpr std::int64_t kCleanUpMs = 10'000;
}  // namespace

VmStatus ended(const VmmKind& kind, const Process& process) {
  VmStatus status;
  status.state = VmState::shutdown;
  status.exit = process.exit;
  if (!process.exit) return status;
  const ExitInfo& exit = *process.exit;
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

void remove_sockets(Host& host, const VmmKind& kind, const std::string& vm, const std::string& run_dir) {
  OwnCall own(kCleanUpMs);
  for (const std::string& name : kind.sockets) {
    ::unlink((run_dir + "/" + name).c_str());
    static_cast<void>(host.release(own.get(), {vm, "socket", run_dir + "/" + name}));
  }
}

Error undo_start(Host& host, const VmmKind& kind, const StartArgs& args, Error why) {
  OwnCall own(kCleanUpMs);
  const ProcessArgs id{args.vm, args.incarnation};
  // A hang-up is seen a little before the end of the process that causes it.
  const auto before = why.code == Code::unavailable ? host.wait(own.get(), id, kHangUpMs) : host.find(own.get(), id);
  // Who gave up the start ended its process, too: that isn't why it failed.
  const bool given_up = why.code == Code::cancelled || why.code == Code::deadline_exceeded;
  const bool died = before && !before->alive && !given_up;
  if (auto killed = host.kill(own.get(), id); !killed)
    why.message += "; and its process could not be ended: " + killed.error().message;
  if (const auto process = host.find(own.get(), id); process && process->exit && why.log_tail.empty())
    why.log_tail = process->exit->log_tail;
  if (died) {
    // The hang-up is only how it was noticed.
    why.code = Code::internal;
    why.message = kind.name + " ended during the start of VM " + args.vm + ": " + ended(kind, *before).status_reason;
    why.reason = "vmm-failed";
  } else if ((why.reason.empty() || why.reason == "vmm-refused") && !given_up) {
    why.reason = "vmm-failed";
  }
  remove_sockets(host, kind, args.vm, args.run_dir);
  return why;
}

Result<PowerOff> wait_for_power_off(Host& host, Call& call, const StopArgs& args, const std::function<void()>& press) {
  PowerOff out;
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
    // The guest was promised its whole time: a caller that has less leaves it running.
    if (call.expired())
      return make_error(Code::deadline_exceeded, "the guest has been asked to power off and hasn't yet");
    press();
  }
  host.log(LogLevel::warn, "the guest ignored the power button, killing it vm=" + args.vm.vm);
  out.why = "killed: the guest did not power off within " + std::to_string(args.timeout_ms) + " ms";
  return out;
}

}  // namespace qarax::plugin
