// How a command runs on its VM's strand: intent on disk, the driver's call, result on disk, answer.
#include <algorithm>
#include <utility>

#include "command_document.hpp"
#include "liveness.hpp"
#include "manager.hpp"
#include "qarax/core/logging.hpp"
#include "redact.hpp"
#include "resizing.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kCompactAt = std::int64_t{64} * 1024;  // bytes; a longer journal is compacted

// One that overtook a hung call has its answer before its turn comes, and only its record is still to be made.
bool is_unfinished(Vm& vm, const std::shared_ptr<Operation>& operation) {
  const std::lock_guard lock(vm.admission_mutex);
  return std::find(vm.pending.begin(), vm.pending.end(), operation) != vm.pending.end();
}
}  // namespace

// A start waits for its turn to boot before it begins. It waits without a thread: their number is limited, calls that
// hang in plugins need them, and starts come by the hundred.
Strand::Went Manager::take_turn(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  const bool boots = command.action == core::Action::start &&
                     core::judge(command.action, reports_.status_of(vm->known).state) == core::Verdict::proceed;
  if (boots) {
    if (auto turn = gate_.try_enter()) operation->turn.emplace(std::move(*turn));
  }
  if (!boots || operation->turn) {
    run(vm, operation);
    return Strand::Went::through;
  }
  gate_.enter({command.deadline_ns, operation->cancel_fd()}, [this, vm, operation](Result<BootGate::Turn> turn) {
    operation->turn.emplace(std::move(turn));
    vm->strand->resume([this, vm, operation] {
      guarded(
          vm,
          [&] {
            run(vm, operation);
            return Strand::Went::through;
          },
          operation);
    });
  });
  return Strand::Went::aside;
}

void Manager::run(const VmPtr& vm, const OperationPtr& operation) {
  // It isn't begun, and nothing of it is on disk, or only the intent of a stop that a recovery has taken up again.
  if (operation->is_given_up() && is_unfinished(*vm, operation)) return put_off(vm, operation);
  const Command& command = operation->command;
  begin(vm, operation);
  const VmStatus before = reports_.status_of(vm->known);
  const core::Verdict verdict = core::judge(command.action, before.state);
  std::optional<CommandResult> result;
  switch (verdict) {
    case core::Verdict::refuse:
      result = refuse(vm, *operation, before);
      break;
    case core::Verdict::no_change:
      // The result is kept for its revision, so that no earlier command is taken even after a restart of the agent.
      if (Status ended = overtakes(command.action) ? ending_.end_strays(*vm, command) : Status(Ok{}); ended)
        result = conclude(vm, *operation, before, Ok{});
      else
        result = conclude_failure(vm, *operation, before, std::move(ended).error().at_step("end-strays"));
      break;
    case core::Verdict::proceed:
      result = command.action == core::Action::remove ? carry_out_delete(vm, operation, before)
                                                      : carry_out(vm, operation, before);
      break;
  }
  if (!result) return;
  finish(vm, operation, *result);
  if (!result->report.deleted) reports_.announce(vm->known, result->report);
  // The log comes after the answer, so that no caller waits for it.
  if (verdict == core::Verdict::proceed && result->outcome)
    core::logger("vm")->info("{} done vm={} request={}", core::to_string(command.action), vm->id, command.request_id);
  const std::lock_guard lock(vm->admission_mutex);
  vm->running = nullptr;
}

void Manager::begin(const VmPtr& vm, const OperationPtr& operation) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    vm->running = operation;
    // What ends the VM also ends its recovery.
    if (overtakes(operation->command.action)) vm->recovering = false;
  }
  vm->moved.notify_all();
}

CommandResult Manager::refuse(const VmPtr& vm, Operation& operation, const VmStatus& now) {
  const std::string& name = vm->document.name.empty() ? vm->id : vm->document.name;
  Error error = core::refusal(operation.command.action, now.state, name);
  tell_failure(operation.command, error);
  return conclude(vm, operation, now, std::move(error));
}

std::optional<CommandResult> Manager::carry_out_delete(const VmPtr& vm, const OperationPtr& operation,
                                                       const VmStatus& before) {
  auto removed = remove(vm, operation->command);
  if (vm->is_dead()) return std::nullopt;  // a later delete has buried the VM, and answered this one
  if (!removed) return conclude_failure(vm, *operation, before, std::move(removed).error().at_step("remove"));
  return CommandResult{bury(vm, operation), Ok{}};
}

std::optional<CommandResult> Manager::carry_out(const VmPtr& vm, const OperationPtr& operation,
                                                const VmStatus& before) {
  const Command& command = operation->command;
  auto said = perform(vm, *operation);
  // The VM was deleted under this call, and all callers are answered. What the call has made since is removed, too.
  if (vm->is_dead()) {
    end_late(vm);
    return std::nullopt;
  }
  const bool killed = end_after_kill(vm, *operation);
  if (killed && said && said->state != VmState::shutdown)
    said = make_error(Code::aborted, "VM " + vm->id + " was killed by a force-stop meanwhile", "superseded");
  if (!said && operation->is_given_up()) {
    put_off(vm, operation);
    return std::nullopt;
  }
  if (!said)
    return conclude_failure(vm, *operation, before,
                            std::move(said).error().at_step(std::string(core::to_string(command.action)) + "-vmm"));
  const VmStatus after = believed(processes_, vm->id, vm->document.incarnation, std::move(*said));
  CommandResult result = conclude(vm, *operation, after, Ok{});
  const bool ends = command.action == core::Action::stop || command.action == core::Action::force_stop;
  if (!ends) note_end_meanwhile(vm, before, after);
  if (command.action == core::Action::snapshot) Snapshots::add_facts(*vm, command.document, result.report);
  return result;
}

// The VM ended during a command that doesn't end it, or that failed. What tells of its VMM's end does nothing for a VM
// that is reported as shut down already.
void Manager::note_end_meanwhile(const VmPtr& vm, const VmStatus& before, const VmStatus& after) {
  if (after.state != VmState::shutdown || !core::may_have_vmm(before.state)) return;
  record_exit(vm, after);
  processes_.clean_up(vm->id, vm->document.incarnation);
}

CommandResult Manager::conclude_failure(const VmPtr& vm, Operation& operation, const VmStatus& before, Error error) {
  const Command& command = operation.command;
  tell_failure(command, error);
  VmStatus after = truth_after_failure(vm, command, before);
  if (core::begins(command.action) && !core::may_have_vmm(after.state))
    after.status_reason = "its last " + std::string(core::to_string(command.action)) + " failed: " + error.message;
  CommandResult result = conclude(vm, operation, after, std::move(error));
  note_end_meanwhile(vm, before, after);
  return result;
}

CommandResult Manager::conclude(const VmPtr& vm, Operation& operation, const VmStatus& after, Status outcome) {
  keep_result(vm, operation.command, after, outcome);
  return {reports_.record_outcome(vm->known, operation.settled, vm->facts(after)), std::move(outcome)};
}

void Manager::tell_failure(const Command& command, Error& error) const {
  core::logger("vm")->error("{} failed vm={} request={} reason={}", core::to_string(command.action), command.vm,
                            command.request_id, core::log_value(error.message));
  // The log has the host's paths. They are of no use to whoever asked for the command.
  hide_folder(error.message, options_.data_dir);
  for (std::string& cause : error.causes) hide_folder(cause, options_.data_dir);
}

void Manager::keep_result(const VmPtr& vm, const Command& command, const VmStatus& after, const Status& outcome) {
  if (!vm->journal) return;
  JournalRecord record = record_of(RecordKind::result, command);
  record.status.text = encode(after);
  if (!outcome) record.error.text = encode(outcome.error());
  log_unless(vm->journal->append(record, Outlives::agent), "the result could not be kept", vm->id);
  if (vm->journal->size() > kCompactAt)
    log_unless(vm->journal->compact(), "the journal could not be made shorter", vm->id);
}

// The failure of a command says nothing about the VM: its state is looked at, never assumed.
VmStatus Manager::truth_after_failure(const VmPtr& vm, const Command& command, const VmStatus& before) {
  const auto process = processes_.find({vm->id, vm->document.incarnation});
  const bool nothing_runs = process ? !process->alive : process.error().code == Code::not_found;
  if (core::begins(command.action) && nothing_runs) {
    VmStatus status = before;
    // A missed deadline may have reported the VM as unknown meanwhile.
    if (status.state != VmState::created) status.state = VmState::shutdown;
    return status;
  }
  if (!core::begins(command.action)) {
    const auto driver = drivers_.find(vm->document.hypervisor);
    const auto args = args_for(*vm, processes_);
    const CallLimits limits = CallLimits{}.within_ms(options_.call_ms);
    if (driver && args)
      if (auto seen = (*driver)->inspect(call_for(vm, limits), *args))
        return believed(processes_, vm->id, vm->document.incarnation, std::move(*seen));
  }
  if (process && !process->alive) return ending_.ended_status(vm);
  return status_with(VmState::unknown,
                     "its " + std::string(core::to_string(command.action)) +
                         " failed and its VMM can't be asked what is true; it is asked again now and then, "
                         "and a VM that stays so can be force-stopped or deleted");
}

Result<VmStatus> Manager::perform(const VmPtr& vm, Operation& operation) {
  const Command& command = operation.command;
  if (command.action == core::Action::start) return starting_.start(vm, operation);
  if (command.action == core::Action::restore) return starting_.restore(vm, operation);
  // This needs no intent: a snapshot loses its name first, so that a restarted agent has nothing to take up again.
  if (command.action == core::Action::drop_snapshot) return snapshots_.drop(vm, command);
  // The lifecycle also allows a resize of a VM that doesn't run, but that is a matter of the server's alone.
  if (const VmState now = reports_.status_of(vm->known).state;
      command.action == core::Action::resize && now != VmState::running)
    return core::refusal(command.action, now, vm->document.name);
  // The document is checked before it is recorded: a restarted agent would carry out as much of it as it knows.
  if (command.action == core::Action::resize)
    if (auto wanted = resize_command_in(command.document); !wanted) return std::move(wanted).error();
  QARAX_CHECK(note_intent(vm, command));
  if (command.action == core::Action::stop) return ending_.stop(vm, command, operation.cancel_fd(), StopMode::graceful);
  if (command.action == core::Action::force_stop)
    return ending_.stop(vm, command, operation.cancel_fd(), StopMode::force);
  QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
  QARAX_TRY(const VmArgs args, args_for(*vm, processes_));
  const DriverCall call = call_for(vm, command, operation.cancel_fd(), progress_);
  switch (command.action) {
    case core::Action::pause:
    case core::Action::resume: {
      QARAX_TRY(VmStatus said,
                command.action == core::Action::pause ? driver->pause(call, args) : driver->resume(call, args));
      QARAX_CHECK(check_arrival(command, said));
      return said;
    }
    case core::Action::reboot:
      return driver->reboot(call, args);
    case core::Action::resize: {
      QARAX_TRY(const auto wanted, resize_command_in(command.document));
      return resize(vm, wanted, *driver, call, processes_);
    }
    case core::Action::snapshot:
      return snapshots_.take(vm, command, *driver, call);
    default:
      return make_error(Code::unimplemented, "this node can't " + std::string(core::to_string(command.action)));
  }
}

// A command that ends a VM goes on without its record: it has to work on a full disk and with a damaged folder, too.
Status Manager::note_intent(const VmPtr& vm, const Command& command) {
  const Outlives outlives = command.action == core::Action::remove ? Outlives::host : Outlives::agent;
  Status noted = Ok{};
  if (!vm->journal) {
    if (auto journal = vm->folder.open_journal(After::agent))
      vm->journal.emplace(std::move(*journal));
    else
      noted = std::move(journal).error();
  }
  if (vm->journal) {
    JournalRecord record = record_of(RecordKind::intent, command);
    const bool is_taken_up_again = command.action == core::Action::resize || command.action == core::Action::snapshot ||
                                   command.action == core::Action::stop;
    // The command fails by a document that isn't JSON, which in the journal would make the record unreadable.
    if (is_taken_up_again && json::parse(command.document)) {
      record.document.text = command.document;
      record.before = reports_.status_of(vm->known).state;
    }
    noted = vm->journal->append(record, outlives);
  }
  if (noted || !overtakes(command.action)) return noted;
  core::logger("vm")->warn("going on without a record of it vm={} action={} reason={}", vm->id,
                           core::to_string(command.action), core::log_value(noted.error().message));
  return Ok{};
}

}  // namespace qarax::agent
