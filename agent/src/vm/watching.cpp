// What changes a VM without a command: its VMM's end, and what the agent's regular looks find.
#include <utility>

#include "liveness.hpp"
#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr int kExitRetryMs = 1'000;

// A VM that was started under another boot identity may run in another PID namespace, where this agent can see nothing
// but the exit that its supervisor recorded. Without that record a free supervisor lock only says that nobody watches
// the VM.
bool is_elsewhere(const Vm& vm) { return vm.document.boot_identity != core::boot_identity(); }

bool has_recorded_end(const Result<Process>& process) {
  return process && !process->alive && process->exit && process->exit->kind != ExitKind::unknown;
}

}  // namespace

void Manager::record_exit(const VmPtr& vm, const VmStatus& status, Outlives outlives) {
  if (!vm->journal) return;
  JournalRecord record;
  record.kind = RecordKind::exit;
  record.incarnation = vm->document.incarnation;
  record.status.text = encode(status);
  log_unless(vm->journal->append(record, outlives), "how the VM ended could not be kept", vm->id);
}

// Reports the VM as unknown, once. A force-stop or a delete ends whatever is left of it.
void Manager::doubt_end(const VmPtr& vm, const std::string& why, std::int64_t epoch) {
  const VmStatus status = status_with(VmState::unknown, why);
  const VmStatus last = reports_.status_of(vm->known);
  if (last.state != status.state || last.status_reason != status.status_reason)
    reports_.publish_if_current(vm->known, vm->facts(status), epoch);
}

void Manager::saw_exit(const VmPtr& vm, std::int64_t incarnation) {
  if (incarnation != vm->document.incarnation) return;
  const auto [is_shutdown, is_published] = reports_.exit_news(vm->known, incarnation);
  // A failed start has reported the shutdown itself.
  if (is_shutdown && !is_published) return;
  const std::int64_t before = reports_.decision_epoch(vm->known);
  const auto process = processes_.find({vm->id, incarnation});
  // The VM stays unknown until a look finds the record.
  if (is_elsewhere(*vm) && !has_recorded_end(process)) return;
  if (process && process->alive) {
    // Only the supervisor has ended and the VM runs on, or the VM runs although its end was in doubt: the next look
    // reports that. After a false alarm nothing is done.
    if (processes_.has_lost_supervisor(vm->id, incarnation) || reports_.status_of(vm->known).state == VmState::unknown)
      look_again(vm->id);
    return;
  }
  if (!process && process.error().code != Code::not_found) {
    const Error& error = process.error();
    if (error.code == Code::data_loss || error.code == Code::failed_precondition)
      doubt_end(vm, "it is unclear whether its VMM has ended: " + error.message, before);
    else
      core::logger("vm")->warn("the VMM's end can't be looked into yet vm={} reason={}", vm->id,
                               core::log_value(error.message));
    // A damaged record stays damaged. A control group empties in time, and a supervisor writes how its VMM ended.
    if (error.code == Code::data_loss) return;
    timers_.in_ms(kExitRetryMs,
                  [this, vm, incarnation] { enqueue(vm, [this, vm, incarnation] { saw_exit(vm, incarnation); }); });
    return;
  }
  const std::int64_t epoch = reports_.decision_epoch(vm->known);
  VmStatus status = is_published ? reports_.status_of(vm->known) : ending_.ended_status(vm);
  // The report must not wait for the disk: after a restart the supervisor's record says the same.
  if (!is_published && !reports_.publish_if_current(vm->known, vm->facts(status), epoch))
    status = reports_.status_of(vm->known);  // tell_exit() reported it while the plugin hung
  if (vm->is_dead()) return;
  record_exit(vm, status);
  processes_.clean_up(vm->id, incarnation);
  core::logger("vm")->info("the VMM has ended vm={} reason={}", vm->id, core::log_value(status.status_reason));
}

Timers::Handle Manager::tell_exit_later(const VmPtr& vm, std::int64_t incarnation) {
  return timers_.at(plugin::monotonic_ns() + options_.grace_ms * 1'000'000,
                    [this, vm, incarnation] { pool_.post([this, vm, incarnation] { tell_exit(vm, incarnation); }); });
}

// Runs off the strand, which may be blocked by a plugin that doesn't answer the agent's own call.
void Manager::tell_exit(const VmPtr& vm, std::int64_t incarnation) {
  const auto process = processes_.find({vm->id, incarnation});
  if (!process || process->alive) return;
  const std::lock_guard admission(vm->admission_mutex);
  if (vm->dead) return;
  // A command, a recovery or a free strand reports the end itself. Check again later, in case it reports something else
  // or hangs afterwards.
  if (vm->own_call == nullptr || vm->running || vm->recovering) {
    if (reports_.is_exit_untold(vm->known, incarnation)) tell_exit_later(vm, incarnation);
    return;
  }
  // Reading the document here is safe: the strand changes it neither during a call of its own nor before it has taken
  // the lock again after that call.
  if (is_elsewhere(*vm) && !has_recorded_end(process)) return;
  reports_.publish_exit(vm->known, incarnation, vm->revision, ended_without_plugin(process));
}

void Manager::look(const VmPtr& vm) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    vm->looking = false;
    if (vm->recovering) return;
  }
  const std::int64_t epoch = reports_.decision_epoch(vm->known);
  const VmState state = reports_.status_of(vm->known).state;
  if (!core::may_have_vmm(state) || vm->document.incarnation == 0) return;
  // What the plugin says of a VM in another PID namespace would be a guess.
  const bool elsewhere = is_elsewhere(*vm);
  if (elsewhere && !has_recorded_end(processes_.find({vm->id, vm->document.incarnation}))) return;
  const auto seen = [&]() -> Result<VmStatus> {
    if (elsewhere) return ending_.ended_status(vm);
    QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
    QARAX_TRY(const VmArgs args, args_for(*vm, processes_));
    const auto asked = own_calls_.begin(vm, options_.call_ms);
    QARAX_TRY(VmStatus said, driver->inspect(asked.call(), args));
    return believed(processes_, vm->id, vm->document.incarnation, std::move(said));
  }();
  if (!seen) {
    if (state == VmState::unknown) return;
    // Its VMM has ended, and its supervisor, as on a slow disk, hasn't recorded how. saw_exit() will tell that.
    if (const auto process = processes_.find({vm->id, vm->document.incarnation});
        !process && process.error().code == Code::deadline_exceeded)
      doubt_end(vm, process.error().message, epoch);
    return;
  }
  // Read again, because the VM may have been reported as unknown while the plugin hung.
  const VmStatus last = reports_.status_of(vm->known);
  if (seen->state == last.state && seen->status_reason == last.status_reason) return;
  if (!reports_.publish_if_current(vm->known, vm->facts(*seen), epoch) || seen->state != VmState::shutdown) return;
  record_exit(vm, *seen);
  processes_.clean_up(vm->id, vm->document.incarnation);
}

// For changes without an event: a VMM that paused itself at an I/O error, a guest that panicked.
void Manager::look_at_all() {
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(vms_mutex_);
    if (closed_) return;
    // First of all, so that nothing that throws below ends the regular looks.
    timers_.in_ms(options_.look_ms, [this] { look_at_all(); });
    for (const auto& [id, vm] : vms_) ids.push_back(id);
  }
  for (const std::string& id : ids) look_again(id);
  // Only if there is something to do: a task at every look would keep the pool's idle threads from ending.
  if (processes_.has_lost_any()) pool_.post([this] { processes_.bound_lost_logs(); });
}

}  // namespace qarax::agent
