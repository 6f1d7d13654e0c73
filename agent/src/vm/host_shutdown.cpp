// The host is about to go down: its guests get the power button first.
#include <condition_variable>

#include "manager.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kKillMs = 10'000;
}

// On the strand. It isn't a job of the server's, which goes on wanting what it wanted: no revision is taken by it.
HostShutdown Manager::stop_for_host(const VmPtr& vm, std::int64_t timeout_ms) {
  HostShutdown out;
  const VmState before = status_of(vm).state;
  if (before != VmState::running && before != VmState::paused) return out;
  Command command;
  command.vm = vm->id;
  command.action = core::Action::stop;
  command.request_id = "host-shutdown";
  command.deadline_ns = plugin::monotonic_ns() + (timeout_ms + kKillMs) * 1'000'000;
  command.document = encode(core::StopCommand{timeout_ms});
  const Operation graceful(command, [](const CommandResult&) {});
  auto stopped = stop(vm, graceful, false);
  if (!stopped) {
    core::logger("vm")->warn("the guest could not be asked to power off, its VMM is killed vm={} reason={}", vm->id,
                             core::log_value(stopped.error().message));
    const Operation force(command, [](const CommandResult&) {});
    stopped = stop(vm, force, true);
  }
  if (!stopped) {
    core::logger("vm")->error("the VM runs on into the host's shutdown vm={} reason={}", vm->id,
                              core::log_value(stopped.error().message));
    out.failed = 1;
    return out;
  }
  const bool in_time = stopped->exit && stopped->exit->kind == ExitKind::exited && stopped->exit->code == 0;
  (in_time ? out.powered_off : out.killed) = 1;
  VmStatus status = *stopped;
  status.status_reason = in_time ? "the host was shut down; the guest powered off in time"
                                 : "the host was shut down; the guest didn't power off in time and was killed";
  // How it ended was the host's doing and says nothing of what anybody wants of the VM.
  status.exit.reset();
  record_exit(vm, status, Outlives::host);
  publish(vm, status);
  return out;
}

HostShutdown Manager::stop_guests(std::int64_t timeout_ms) {
  std::vector<VmPtr> all;
  {
    const std::lock_guard lock(vms_mutex_);
    host_stops_ = true;
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t left = all.size();
  HostShutdown sum;
  for (const VmPtr& vm : all)
    enqueue(vm, [&, vm] {
      const HostShutdown one = stop_for_host(vm, timeout_ms);
      const std::lock_guard lock(mutex);
      sum.powered_off += one.powered_off;
      sum.killed += one.killed;
      sum.failed += one.failed;
      --left;
      changed.notify_all();
    });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return left == 0; });
  return sum;
}

}  // namespace qarax::agent
