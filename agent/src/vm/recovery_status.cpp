// How a recovery determines where its VM lives and what is true of it: from the journal, the VM's process and the
// plugin.
#include <csignal>
#include <utility>

#include "interrupted.hpp"
#include "liveness.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "recovery.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kRecoverMs = 30'000;
}

bool Manager::Recovery::is_of_this_kernel() const { return vm_->document.boot_identity.starts_with(core::boot_id()); }

bool Manager::Recovery::was_shutdown() const { return before_ && before_->state == VmState::shutdown; }

auto Manager::Recovery::decide_where_it_lives() -> Step {
  is_same_boot_ = vm_->document.boot_identity == core::boot_identity();
  // Another PID namespace alone proves nothing. The VM runs if its supervisor still holds its lock, which no lock does
  // beyond the end of its kernel, or if processes of the VM are seen. With neither it is taken for ended, as by the
  // restart of a container.
  const auto supervised = is_same_boot_ ? Result<bool>(false) : manager_.processes_.supervised(vm_->id);
  if (!supervised) return Outcome{Next::try_again, supervised.error().message};
  is_elsewhere_ = *supervised || (!is_same_boot_ && is_of_this_kernel() && manager_.processes_.is_seen(vm_->id));
  return std::nullopt;
}

auto Manager::Recovery::determine_status() -> Step {
  if (is_elsewhere_)
    return Outcome{Next::give_up,
                   "its supervisor lives in another PID namespace, where this agent sees nothing of it; start the "
                   "agent where it ran"};
  before_ = last_certain_status(*vm_->journal);
  auto status = is_same_boot_ ? status_in_this_boot() : Result<VmStatus>(status_after_reboot());
  if (is_overtaken()) return Outcome{Next::done};
  if (!status) return unanswered(status.error());
  status_ = std::move(*status);
  if (status_.state == VmState::shutdown) forget_exit_of_broken_off();
  return std::nullopt;
}

// The VMM of a start or restore that was broken off was ended for that, most often, and the VM was shut down before:
// how the VMM ended says nothing about how the VM did.
void Manager::Recovery::forget_exit_of_broken_off() {
  const JournalRecord* intent = interrupted_command(*vm_->journal);
  const auto action = intent == nullptr ? std::nullopt : core::action_named(intent->action);
  if (!status_.exit || !action || !core::begins(*action) || intent->incarnation != vm_->document.incarnation) return;
  if (status_.exit->kind == ExitKind::signaled && status_.exit->signal == SIGKILL)
    status_.status_reason = "its " + intent->action + " was interrupted and undone";
  status_.exit.reset();
}

VmStatus Manager::Recovery::status_after_reboot() {
  manager_.processes_.clean_up(vm_->id, vm_->document.incarnation);
  if (was_shutdown()) return *before_;
  // An exit is believed only if the VM was started under this kernel: a host that goes down also ends VMMs with code 0.
  if (is_of_this_kernel()) {
    const auto process = manager_.processes_.find({vm_->id, vm_->document.incarnation});
    if (process && !process->alive && process->exit && process->exit->kind != ExitKind::unknown)
      return ended_without_plugin(process);
  }
  return status_with(VmState::shutdown, "the host was rebooted");
}

Result<VmStatus> Manager::Recovery::status_in_this_boot() {
  // The journal is believed where no process contradicts it.
  if (was_shutdown() && !lives(manager_.processes_, vm_->id, vm_->document.incarnation)) return *before_;
  // The process is watched before the plugin is asked, so that an end in between is seen.
  manager_.processes_.adopt(vm_->id, vm_->document.incarnation);
  QARAX_TRY(VmStatus status, told_by_plugin());
  status = believed(manager_.processes_, vm_->id, vm_->document.incarnation, std::move(status));
  if (status.state != VmState::shutdown) return status;
  if (!status.exit || status.status_reason.empty()) {
    VmStatus told = manager_.ending_.ended_status(vm_);
    if (!status.exit) status.exit = told.exit;
    if (status.status_reason.empty()) status.status_reason = told.status_reason;
  }
  manager_.processes_.clean_up(vm_->id, vm_->document.incarnation);
  return status;
}

// If the plugin can't be asked, the end of a VMM is still known from its exit record.
Result<VmStatus> Manager::Recovery::told_by_plugin() {
  const auto asked_plugin = [&]() -> Result<VmStatus> {
    QARAX_TRY(Driver * driver, manager_.drivers_.find(vm_->document.hypervisor));
    QARAX_TRY(const VmArgs args, args_for(*vm_, manager_.processes_));
    const auto asked = manager_.own_calls_.begin(vm_, manager_.limit_of_recovery(kRecoverMs));
    return driver->recover(asked.call(), args);
  };
  auto said = asked_plugin();
  if (said) return said;
  const auto process = manager_.processes_.find({vm_->id, vm_->document.incarnation});
  if (!process || process->alive) return said;
  core::logger("vm")->warn("the VMM has ended and its plugin can't be asked how vm={} hypervisor={} reason={}", vm_->id,
                           vm_->document.hypervisor, core::log_value(said.error().message));
  return manager_.ending_.ended_status(vm_);
}

auto Manager::Recovery::unanswered(const Error& error) -> Outcome {
  if (error.reason == kPluginLoading) return {Next::wait_for_plugin, error.message};
  return {may_pass(error) ? Next::try_again : Next::give_up, error.message};
}

// A VM isn't given up while its VMM lives and answers too late or not yet, nor while the VMM's end waits to be
// recorded: an overloaded host recovers. A cancel comes from the host's shutdown, which goes on without the recovery.
bool Manager::Recovery::may_pass(const Error& error) const {
  const auto process = manager_.processes_.find({vm_->id, vm_->document.incarnation});
  if (!process) return process.error().code == Code::deadline_exceeded;
  return process->alive &&
         (error.code == Code::unavailable || error.code == Code::deadline_exceeded || error.code == Code::cancelled);
}

}  // namespace qarax::agent
