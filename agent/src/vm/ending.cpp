#include "ending.hpp"

#include <csignal>
#include <utility>

#include "liveness.hpp"
#include "patience.hpp"
#include "qarax/core/logging.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kLastMomentMs = 1'000;  // how long a VMM may still run after its plugin reported the end

}  // namespace

VmStatus Ending::ended_status(const std::shared_ptr<Vm>& vm) {
  VmStatus status = ended_without_plugin(processes_.find({vm->id, vm->document.incarnation}));
  const auto driver = drivers_.find(vm->document.hypervisor);
  const auto args = args_for(*vm, processes_);
  if (!driver || !args) return status;
  const auto asked = own_calls_.begin(vm, limits_.call_ms);
  auto seen = (*driver)->inspect(asked.call(), *args);
  if (!seen || seen->state != VmState::shutdown) return status;
  if (!seen->exit) seen->exit = std::move(status.exit);
  explain_end(*seen);
  return std::move(*seen);
}

Result<std::int64_t> Ending::timeout_of_stop(const Command& command) const {
  if (command.document.empty()) return limits_.stop_timeout_ms;
  QARAX_TRY(const auto wanted, decode<core::StopCommand>(std::string_view(command.document), Unknown::ignore));
  return wanted.timeout_ms > 0 ? wanted.timeout_ms : limits_.stop_timeout_ms;
}

Result<VmStatus> Ending::stop(const std::shared_ptr<Vm>& vm, const Command& command, int cancel_fd, StopMode mode,
                              std::optional<std::int64_t> timeout_ms) {
  const bool force = mode == StopMode::force;
  if (!vm->folder.exists()) {
    QARAX_CHECK(end_strays(*vm, command));
    return status_with(VmState::shutdown, std::string(kNoFolder) + "; what still ran of it was ended");
  }
  if (vm->document.incarnation == 0) {
    // Its document can't be read, so nothing tells which plugin to ask. The agent itself started its processes and
    // kills them.
    QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)));
    QARAX_CHECK(end_strays(*vm, command));
    return status_with(VmState::shutdown, "killed on request; its folder's document can't be read, delete it");
  }
  const DriverCall call = call_for(vm, command, cancel_fd, progress_);
  auto driver = drivers_.find(vm->document.hypervisor);
  auto args = args_for(*vm, processes_);
  Result<VmStatus> stopped = make_error(Code::unavailable, "its plugin can't be asked", "hypervisor-unavailable");
  // For a VMM that has ended unrecorded its plugin would wait for the supervisor, and that may hang.
  const auto waits_for_record = [&] {
    const auto process = processes_.find({vm->id, vm->document.incarnation});
    return !process && process.error().code == Code::deadline_exceeded;
  };
  if (driver && args && !(force && waits_for_record())) {
    StopArgs stop_args;
    stop_args.vm = *args;
    stop_args.mode = mode;
    stop_args.timeout_ms = timeout_ms.value_or(limits_.stop_timeout_ms);
    if (!force && !timeout_ms) {
      QARAX_TRY(stop_args.timeout_ms, timeout_of_stop(command));
    }
    stopped = (*driver)->stop(call, stop_args);
  }
  // A force-stop must work without the plugin, and also where the plugin says that the VM runs on. The agent itself
  // started the processes and kills them.
  if (force && !(stopped && stopped->state == VmState::shutdown)) {
    QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)));
    stopped = ended_status(vm);
  }
  if (!stopped) return stopped;
  QARAX_CHECK(check_arrival(command, *stopped));
  QARAX_CHECK(end_what_lives(*vm, *stopped));
  if (force) QARAX_CHECK(end_strays(*vm, command));
  processes_.clean_up(vm->id, vm->document.incarnation);
  return stopped;
}

// The plugin says that the VM has stopped, and the next start will rely on that: two VMMs on one disk destroy it. So
// what still lives is ended here.
Status Ending::end_what_lives(const Vm& vm, VmStatus& stopped) {
  const ProcessArgs which{vm.id, vm.document.incarnation};
  // A supervisor records an exit only when nothing of its VMM is left.
  const auto has_ended = [](const Result<Process>& process) {
    return process ? !process->alive && process->exit && process->exit->kind != ExitKind::unknown
                   : process.error().code == Code::not_found;
  };
  auto process = processes_.find(which);
  if (has_ended(process)) return Ok{};
  // A VMM that is about to end gets a moment to do so by itself, because a kill would hide its exit code.
  const bool has_lived = process && process->alive;
  if (has_lived) process = processes_.wait(which, CallLimits{}.within_ms(kLastMomentMs));
  if (has_ended(process)) return Ok{};
  QARAX_CHECK(processes_.kill_all(vm.id, CallLimits{}.within_ms(kKillMs)));
  if (!has_lived || process || process.error().code != Code::deadline_exceeded) return Ok{};
  process = processes_.find(which);
  stopped.exit = process ? process->exit : std::nullopt;
  // The VMM may have ended by itself after all, while its supervisor was still recording that.
  if (!stopped.exit || stopped.exit->kind != ExitKind::signaled || stopped.exit->signal != SIGKILL) return Ok{};
  core::logger("vm")->error("its plugin called it stopped while its VMM ran, which was killed vm={} hypervisor={}",
                            vm.id, vm.document.hypervisor);
  stopped.status_reason = "its plugin called it stopped while its VMM still ran; the VMM was killed";
  return Ok{};
}

Status Ending::end_strays(const Vm& vm, const Command& command) {
  const std::int64_t known = vm.document.incarnation;
  if (vm.folder.exists() && known != 0 && known >= command.incarnation) return Ok{};
  return processes_.vm_processes().end_all_of(vm.id);
}

}  // namespace qarax::agent
