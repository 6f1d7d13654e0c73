// How a force-stop or a delete overtakes a call that hangs on its VM's strand.
#include <algorithm>

#include "manager.hpp"
#include "patience.hpp"
#include "qarax/core/logging.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
// How long a hung call may take to notice its cancel before the VMM is killed under it.
constexpr std::int64_t kOvertakeMs = 2000;
}  // namespace

void Manager::overtake(const VmPtr& vm, const OperationPtr& operation) {
  // The strand's call was cancelled. If it doesn't come back in time, the VMM that it works on is killed.
  OperationPtr hung;
  {
    std::unique_lock admission(vm->admission_mutex);
    const auto reached = [&] {
      return vm->running == operation ||
             std::find(vm->pending.begin(), vm->pending.end(), operation) == vm->pending.end();
    };
    if (vm->moved.wait_for(admission, std::chrono::milliseconds(kOvertakeMs), reached)) return;
    hung = vm->running;
  }
  const auto log = core::logger("vm");
  log->warn("a plugin call hangs, killing the VMM under it vm={} request={}", vm->id, operation->command.request_id);
  Status killed = processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs));
  // As Ending::end_strays(), but the document belongs to the strand.
  if (killed && reports_.last(vm->known).incarnation < operation->command.incarnation)
    killed = processes_.vm_processes().end_all_of(vm->id);
  if (!killed) {
    log->error("the VMM could not be killed vm={} reason={}", vm->id, core::log_value(killed.error().message));
    return;
  }
  if (operation->command.action == core::Action::remove) return abandon(vm, operation);
  {
    const std::lock_guard admission(vm->admission_mutex);
    // Mark the command that hung, not the one that runs now: the kill may have freed the strand, and a start may have
    // come since.
    if (hung) hung->killed = true;
    vm->recovering = false;  // as run() does, but this command no longer needs its turn on the strand
  }
  VmStatus status = status_with(VmState::shutdown, "killed while a plugin call hung");
  if (const auto report =
          reports_.publish_unless_settled(vm->known, operation->settled, vm->highest_revision(), status))
    finish(vm, operation, {*report, Ok{}});
}

}  // namespace qarax::agent
