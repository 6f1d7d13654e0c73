// How a force-stop or a delete overtakes a call that hangs on its VM's strand, and what is removed with a deleted VM.
#include <algorithm>
#include <utility>

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
  if (const Status killed = processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)); !killed) {
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

// Completes a delete although the VM's strand is blocked by a call that doesn't return. The VM's processes have ended,
// its folder is removed, and whatever the call still says is ignored.
void Manager::abandon(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  if (auto written = tombstones_.write({vm->id, command.revision, command.step}); !written)
    return finish(vm, operation, {reports_.last(vm->known), std::move(written).error()});
  tombstones_.one_more(vm->id);
  // Must come before `dead` is set: once the call comes back and finds the VM dead, it removes the folder as well.
  log_unless(processes_.leftovers().disown(vm->id), kNotDisowned, vm->id);
  std::deque<Strand::Task> dropped;
  {
    const std::lock_guard admission(vm->admission_mutex);
    vm->dead = true;
    dropped = vm->strand->close();
  }
  log_unless(vm->folder.remove(), "a deleted VM's folder is left", vm->id);
  processes_.clean_up(vm->id, reports_.last(vm->known).incarnation);
  finish(vm, operation, {bury(vm, operation), Ok{}});
}

// For a VM whose tombstone is written: nothing more is done for it, and the commands that still wait are answered.
core::VmReport Manager::bury(const VmPtr& vm, const OperationPtr& by) {
  std::vector<OperationPtr> others;
  std::deque<Strand::Task> dropped;  // destroyed on return, so that whoever waits for one of these hears it now and not
                                     // when a hung call returns
  {
    const std::lock_guard admission(vm->admission_mutex);
    vm->dead = true;
    dropped = vm->strand->close();
    for (const auto& one : vm->pending)
      if (one != by) others.push_back(one);
  }
  {
    const std::lock_guard lock(vms_mutex_);
    vms_.erase(vm->id);
  }
  core::VmReport report = reports_.publish_deleted(vm->known);
  for (const auto& one : others) {
    const bool before = by && one->command.revision <= by->command.revision;
    finish(vm, one,
           before ? CommandResult{report, make_error(Code::not_found, "VM " + vm->id + " was deleted meanwhile",
                                                     "vm-not-found")}
                  : judge_deleted(one->command));
  }
  return report;
}

}  // namespace qarax::agent
