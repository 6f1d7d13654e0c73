// What a command does, on its VM's strand: intent on disk, the driver's call, result on disk, answer.
#include <utility>

#include "command_document.hpp"
#include "manager.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kCompactAt = std::int64_t{64} * 1024;
}  // namespace

// A start waits for its turn to boot before it begins, and without a thread: there are as many as may hang in plugins,
// and starts come by the hundred.
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
      guarded(vm, [&] {
        run(vm, operation);
        return Strand::Went::through;
      });
    });
  });
  return Strand::Went::aside;
}

void Manager::run(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  {
    const std::lock_guard lock(vm->admission_mutex);
    vm->running = operation;
    // What ends the VM ends its recovery too.
    if (overtakes(command.action)) vm->recovering = false;
  }
  vm->moved.notify_all();
  const auto log = core::logger("vm");
  const VmStatus before = reports_.status_of(vm->known);
  CommandResult result;
  const auto fail = [&](Error error) {
    log->error("{} failed vm={} request={} reason={}", core::to_string(command.action), vm->id, command.request_id,
               core::log_value(error.message));
    // The log has the host's paths; whoever asked for it has no use for them.
    hide_folder(error.message, options_.data_dir);
    for (std::string& cause : error.causes) hide_folder(cause, options_.data_dir);
    result.outcome = std::move(error);
  };
  bool is_done = false;
  const auto keep_result = [&](const VmStatus& after) {
    if (!vm->journal) return;
    JournalRecord record = record_of(RecordKind::result, command);
    record.status.text = encode(after);
    if (!result.outcome) record.error.text = encode(result.outcome.error());
    log_unless(vm->journal->append(record, Outlives::agent), "the result could not be kept", vm->id);
    if (vm->journal->size() > kCompactAt)
      log_unless(vm->journal->compact(), "the journal could not be made shorter", vm->id);
  };

  const auto was_killed = [&] {
    const std::lock_guard lock(vm->admission_mutex);
    return operation->killed;
  };

  const core::Verdict verdict = core::judge(command.action, before.state);
  if (verdict == core::Verdict::refuse) {
    fail(core::refusal(command.action, before.state, vm->document.name.empty() ? vm->id : vm->document.name));
    keep_result(before);
    result.report = reports_.record_outcome(vm->known, operation->settled, vm->facts(before));
  } else if (verdict == core::Verdict::no_change) {
    // For its revision: nothing earlier is taken after the agent's restart either.
    keep_result(before);
    result.report = reports_.record_outcome(vm->known, operation->settled, vm->facts(before));
  } else if (command.action == core::Action::remove) {
    auto removed = remove(vm, command);
    if (vm->is_dead()) return;  // a later delete has buried it
    if (removed) {
      result.report = bury(vm, operation);
      is_done = true;
    } else {
      fail(std::move(removed).error().at_step("remove"));
      const VmStatus after = truth_after_failure(vm, command, before);
      keep_result(after);
      result.report = reports_.record_outcome(vm->known, operation->settled, vm->facts(after));
    }
  } else {
    auto status = perform(vm, *operation);
    // Answered when it was deleted under this call; what the call has made since goes the same way.
    if (vm->is_dead()) return end_late(vm);
    if (was_killed() && status && status->state != VmState::shutdown)
      status = make_error(Code::aborted, "VM " + vm->id + " was killed by a force-stop meanwhile", "superseded");
    const bool done = static_cast<bool>(status);
    VmStatus after;
    if (done) {
      after = believed(vm->id, vm->document.incarnation, std::move(*status));
    } else {
      fail(std::move(status).error().at_step(std::string(core::to_string(command.action)) + "-vmm"));
      after = truth_after_failure(vm, command, before);
      if (core::begins(command.action) && !core::may_have_vmm(after.state))
        after.status_reason =
            "its last " + std::string(core::to_string(command.action)) + " failed: " + result.outcome.error().message;
    }
    keep_result(after);
    result.report = reports_.record_outcome(vm->known, operation->settled, vm->facts(after));
    if (done && command.action == core::Action::snapshot) add_snapshot_facts(vm, command.document, result.report);
    is_done = done;
  }
  finish(vm, operation, result);
  if (!result.report.deleted) reports_.announce(vm->known, result.report);
  // Nobody waits for whoever reads the log.
  if (is_done) log->info("{} done vm={} request={}", core::to_string(command.action), vm->id, command.request_id);
  const std::lock_guard lock(vm->admission_mutex);
  vm->running = nullptr;
}

// A command that failed says nothing about the VM: what is true is looked at, never assumed.
VmStatus Manager::truth_after_failure(const VmPtr& vm, const Command& command, const VmStatus& before) {
  const auto process = processes_.find({vm->id, vm->document.incarnation});
  const bool nothing_runs = process ? !process->alive : process.error().code == Code::not_found;
  if (core::begins(command.action) && nothing_runs) {
    VmStatus status = before;
    // A deadline may have called it unknown meanwhile.
    if (status.state != VmState::created) status.state = VmState::shutdown;
    return status;
  }
  if (!core::begins(command.action)) {
    const auto driver = drivers_.find(vm->document.hypervisor);
    const auto args = args_for(vm);
    const CallLimits limits = CallLimits{}.within_ms(options_.call_ms);
    if (driver && args)
      if (auto seen = (*driver)->inspect(call_for(vm, limits), *args))
        return believed(vm->id, vm->document.incarnation, std::move(*seen));
  }
  if (process && !process->alive) return ended_status(vm);
  return status_with(VmState::unknown,
                     "its " + std::string(core::to_string(command.action)) +
                         " failed and its VMM can't be asked what is true; it is asked again now and then, "
                         "and a VM that stays so can be force-stopped or deleted");
}

DriverCall Manager::call_for(const VmPtr& vm, const CallLimits& limits, const std::string& request_id) {
  DriverCall call;
  call.deadline_ns = limits.deadline_ns;
  call.cancel_fd = limits.cancel_fd;
  call.request_id = request_id;
  call.keep = [vm](std::string_view handle) { return vm->folder.write_handle(handle); };
  return call;
}

Result<VmArgs> Manager::args_for(const VmPtr& vm) {
  VmArgs args;
  args.vm = vm->id;
  args.incarnation = vm->document.incarnation;
  args.run_dir = processes_.run_dir(vm->id, vm->document.incarnation);
  QARAX_TRY(args.handle, vm->folder.read_handle());
  return args;
}

Result<VmStatus> Manager::perform(const VmPtr& vm, Operation& operation) {
  const Command& command = operation.command;
  if (command.action == core::Action::start) return start(vm, operation);
  if (command.action == core::Action::restore) return restore(vm, operation);
  // Nothing to take up again after a restart: what was removed is under no name.
  if (command.action == core::Action::drop_snapshot) return drop_snapshot(vm, command);
  // The lifecycle allows it of an idle VM, where it is the server's alone.
  if (const VmState now = reports_.status_of(vm->known).state;
      command.action == core::Action::resize && now != VmState::running)
    return core::refusal(command.action, now, vm->document.name);
  // Before it is recorded: a restarted agent would carry out what it knows of it.
  if (command.action == core::Action::resize)
    if (auto wanted = resize_command_in(command.document); !wanted) return std::move(wanted).error();
  QARAX_CHECK(note_intent(vm, command));
  if (command.action == core::Action::stop) return stop(vm, command, operation.cancel_fd(), StopMode::graceful);
  if (command.action == core::Action::force_stop) return stop(vm, command, operation.cancel_fd(), StopMode::force);
  QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
  QARAX_TRY(const VmArgs args, args_for(vm));
  const DriverCall call = call_for(vm, operation);
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
    case core::Action::resize:
      return resize(vm, command, *driver, call);
    case core::Action::snapshot:
      return snapshot(vm, command, *driver, call);
    default:
      return make_error(Code::unimplemented, "this node can't " + std::string(core::to_string(command.action)));
  }
}

Status Manager::check_arrival(const Command& command, const VmStatus& said) {
  const VmState wanted = core::target(command.action).value_or(VmState::shutdown);
  if (said.state == wanted) return Ok{};
  // Its guest may power off just then.
  if (said.state == VmState::shutdown) return core::refusal(command.action, said.state, command.vm);
  return make_error(Code::internal,
                    "the plugin says that VM " + command.vm + " is " + std::string(to_string(said.state)) +
                        " after its " + std::string(core::to_string(command.action)),
                    "vmm-failed");
}

// What ends a VM has to work on a full disk and with a damaged folder too: there it goes on without its record.
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
    if (command.action == core::Action::resize || command.action == core::Action::snapshot) {
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
