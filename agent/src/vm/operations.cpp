// What a command does, on its VM's strand: intent on disk, the driver's call, result on disk, answer.
#include <unistd.h>

#include <utility>

#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"
#include "snapshot_folder.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kCompactAt = 64 * 1024;
constexpr std::int64_t kKillMs = 10'000;
constexpr std::int64_t kLookMs = 5'000;

// The result, whose error says in which step it came about.
template <class T>
Result<T> in_step(std::string_view step, Result<T> result) {
  if (!result) return std::move(result).error().at_step(step);
  return result;
}

JournalRecord record_of(RecordKind kind, const Command& command) {
  JournalRecord record;
  record.kind = kind;
  record.revision = command.revision;
  record.step = command.step;
  record.action = core::to_string(command.action);
  record.incarnation = command.incarnation;
  return record;
}
}  // namespace

void Manager::run(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  {
    const std::lock_guard lock(vm->strand_mutex);
    vm->running = operation;
    // What ends the VM ends its recovery too.
    if (overtakes(command.action)) vm->recovering = false;
  }
  idle_.notify_all();
  const auto log = core::logger("vm");
  const VmStatus before = status_of(vm);
  CommandResult result;
  result.error = success();
  const auto fail = [&](Error error) {
    log->error("{} failed vm={} request={} reason={}", core::to_string(command.action), vm->id, command.request_id,
               core::log_value(error.message));
    // The log has the host's paths; whoever asked for it has no use for them.
    hide_folder(error.message, options_.data_dir);
    for (std::string& cause : error.causes) hide_folder(cause, options_.data_dir);
    result.error = std::move(error);
  };
  const auto keep_result = [&](const VmStatus& after, bool failed) {
    if (!vm->journal) return;
    JournalRecord record = record_of(RecordKind::result, command);
    record.status.text = encode(after);
    if (failed) record.error.text = encode(result.error);
    if (auto kept = vm->journal->append(record, Outlives::agent); !kept)
      log->error("the result could not be kept vm={} reason={}", vm->id, core::log_value(kept.error().message));
    if (vm->journal->size() > kCompactAt) static_cast<void>(vm->journal->compact());
  };

  const core::Verdict verdict = core::judge(command.action, before.state);
  if (verdict == core::Verdict::refuse) {
    fail(core::refusal(command.action, before.state, vm->document.name.empty() ? vm->id : vm->document.name));
    result.report = settle(vm, before, operation);
  } else if (verdict == core::Verdict::no_change) {
    result.report = settle(vm, before, operation);
  } else if (command.action == core::Action::remove) {
    if (auto removed = remove(vm, command)) {
      result.report = publish_deleted(vm);
    } else {
      fail(std::move(removed).error().at_step("remove"));
      const VmStatus after = truth_after_failure(vm, command, before);
      keep_result(after, true);
      result.report = settle(vm, after, operation);
    }
  } else {
    auto status = perform(vm, *operation);
    bool killed = false;
    {
      const std::lock_guard lock(vm->strand_mutex);
      if (vm->dead) return;  // answered when it was deleted under this call
      killed = std::exchange(vm->killed, false);
    }
    if (killed && status && status->state != VmState::shutdown)
      status = make_error(Code::aborted, "VM " + vm->id + " was killed by a force-stop meanwhile", "superseded");
    if (!status) fail(std::move(status).error().at_step(std::string(core::to_string(command.action)) + "-vmm"));
    const VmStatus after = status ? *status : truth_after_failure(vm, command, before);
    keep_result(after, !status);
    result.report = settle(vm, after, operation);
    if (status && command.action == core::Action::snapshot) add_snapshot_facts(vm, command.document, result.report);
    if (status) log->debug("{} done vm={} request={}", core::to_string(command.action), vm->id, command.request_id);
  }
  finish(vm, operation, result);
  if (!result.report.deleted) tell(vm, result.report);
  const std::lock_guard lock(vm->strand_mutex);
  vm->running = nullptr;
}

// A command that failed says nothing about the VM: what is true is looked at, never assumed.
VmStatus Manager::truth_after_failure(const VmPtr& vm, const Command& command, const VmStatus& before) {
  auto process = processes_.find({vm->id, vm->document.incarnation});
  // A supervisor that was killed before its record was there is on its way out: what it leaves is known in a moment.
  for (const std::int64_t until = plugin::monotonic_ns() + kLookMs * 1'000'000;
       !process && process.error().code == Code::unavailable && plugin::monotonic_ns() < until;) {
    ::usleep(5'000);
    process = processes_.find({vm->id, vm->document.incarnation});
  }
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
    Command look;
    look.deadline_ns = plugin::monotonic_ns() + kLookMs * 1'000'000;
    if (driver && args)
      if (auto seen = (*driver)->inspect(call_for(vm, look, -1), *args)) return std::move(*seen);
  }
  if (process && !process->alive) return ended_status(vm);
  VmStatus status;
  status.state = VmState::unknown;
  status.status_reason = "its " + std::string(core::to_string(command.action)) +
                         " failed and its VMM can't be asked what is true; force-stop or delete it";
  return status;
}

DriverCall Manager::call_for(const VmPtr& vm, const Command& command, int cancel_fd) {
  DriverCall call;
  call.deadline_ns = command.deadline_ns;
  call.cancel_fd = cancel_fd;
  call.request_id = command.request_id;
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
  if (const VmState now = status_of(vm).state; command.action == core::Action::resize && now != VmState::running)
    return core::refusal(command.action, now, vm->document.name);
  QARAX_CHECK(note_intent(vm, command));
  if (command.action == core::Action::stop) return stop(vm, operation, false);
  if (command.action == core::Action::force_stop) return stop(vm, operation, true);
  QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
  QARAX_TRY(const VmArgs args, args_for(vm));
  const DriverCall call = call_for(vm, command, operation.cancel_fd());
  switch (command.action) {
    case core::Action::pause:
      return driver->pause(call, args);
    case core::Action::resume:
      return driver->resume(call, args);
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
      record.before = status_of(vm).state;
    }
    noted = vm->journal->append(record, outlives);
  }
  if (noted || !overtakes(command.action)) return noted;
  core::logger("vm")->warn("going on without a record of it vm={} action={} reason={}", vm->id,
                           core::to_string(command.action), core::log_value(noted.error().message));
  return Ok{};
}

Status Manager::check_incarnation(const VmPtr& vm, const Command& command) {
  if (command.incarnation > vm->document.incarnation) return Ok{};
  return make_error(Code::failed_precondition,
                    "VM " + vm->id + " had incarnation " + std::to_string(vm->document.incarnation) +
                        " already; a start needs a higher one",
                    "stale-revision");
}

Result<VmSpec> Manager::resolve(const std::string& document, std::int64_t deadline_ns) {
  QARAX_TRY(const auto wanted, decode<core::StartCommand>(std::string_view(document), Unknown::ignore));
  QARAX_TRY(Driver * driver, in_step("find-plugin", drivers_.find(wanted.hypervisor)));
  if (auto boot = boot_files_.files_for(wanted.boot_source_id); !boot && boot.error().reason != "no-boot-source")
    return std::move(boot).error().at_step("boot-files");
  if (wanted.resolved && !wanted.resolve) return *wanted.resolved;
  DriverCall call;
  call.deadline_ns = deadline_ns;
  return in_step("resolve", driver->resolve(call, {wanted.resolved.value_or(wanted.spec)}));
}

Result<VmStatus> Manager::start(const VmPtr& vm, Operation& operation) {
  auto turn = std::exchange(operation.turn, std::nullopt);
  if (turn && !*turn) return std::move(*turn).error().at_step("admission");
  const Command& command = operation.command;
  QARAX_TRY(const auto wanted, decode<core::StartCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_incarnation(vm, command));
  QARAX_TRY(Driver * driver, in_step("find-plugin", drivers_.find(wanted.hypervisor)));
  const DriverCall call = call_for(vm, command, operation.cancel_fd());

  VmDocument document;
  document.vm = vm->id;
  document.name = wanted.name;
  document.hypervisor = wanted.hypervisor;
  document.incarnation = command.incarnation;
  document.boot_identity = core::boot_identity();
  document.spec = wanted.spec;
  document.boot_source_id = wanted.boot_source_id;
  document.keep = wanted.keep;
  auto boot = boot_files_.files_for(wanted.boot_source_id);
  // Not every hypervisor boots a kernel: whether the lack of a default one matters is the plugin's to say.
  if (boot)
    document.boot = std::move(*boot);
  else if (boot.error().reason != "no-boot-source")
    return std::move(boot).error().at_step("boot-files");
  document.resolved = wanted.resolved;
  // What is frozen already stays: a plugin resolves only what isn't said.
  if (!document.resolved || wanted.resolve) {
    QARAX_TRY(document.resolved,
              in_step("resolve", driver->resolve(call, {document.resolved ? *document.resolved : wanted.spec})));
  }
  QARAX_CHECK(note_start(vm, command, document));
  return launch(
      vm, operation, [&](const DriverCall& with, const StartArgs& args) { return driver->start(with, args); },
      std::move(turn));
}

// The intent and what the incarnation is made of, before anything is made.
Status Manager::note_start(const VmPtr& vm, const Command& command, const VmDocument& document) {
  const JournalRecord intent = record_of(RecordKind::intent, command);
  if (!vm->folder.exists()) {
    QARAX_TRY(Journal journal, in_step("record", vm->folder.make(intent, document)));
    vm->journal.emplace(std::move(journal));
  } else {
    if (!vm->journal) {
      QARAX_TRY(Journal journal, in_step("record", vm->folder.open_journal(After::agent)));
      vm->journal.emplace(std::move(journal));
    }
    QARAX_CHECK(in_step("record", vm->journal->append(intent, Outlives::host)));
    QARAX_CHECK(in_step("record", vm->folder.remove_handle()));
    QARAX_CHECK(in_step("record", vm->folder.write_document(document)));
  }
  vm->document = document;
  {
    // Whoever has to kill it under a hung call must know which one it is.
    const std::lock_guard lock(order_mutex_);
    vm->report.incarnation = document.incarnation;
  }
  vm->folder.remove_old_runs(command.incarnation);
  return Ok{};
}

Result<VmStatus> Manager::launch(const VmPtr& vm, const Operation& operation, const Launch& how,
                                 std::optional<Result<BootGate::Turn>> turn) {
  const Command& command = operation.command;
  const VmDocument& document = vm->document;
  DriverCall call = call_for(vm, command, operation.cancel_fd());
  StartArgs args;
  args.vm = vm->id;
  args.name = document.name;
  args.incarnation = document.incarnation;
  args.spec = document.resolved.value_or(document.spec);
  args.boot = document.boot;
  args.run_dir = processes_.run_dir(vm->id, document.incarnation);
  QARAX_CHECK(in_step("record", core::make_folder_unsynced(args.run_dir)));  // its supervisor sees to the rest
  auto started = how(call, args);
  if (started && (started->state == VmState::running || started->state == VmState::paused)) {
    const auto process = processes_.find({vm->id, document.incarnation});
    if (turn && process && process->alive && started->accelerator != "kvm")
      std::move(**turn).until_calm({process->pid, process->start_time});
    return started;
  }
  turn.reset();
  Error error = started ? make_error(Code::internal,
                                     "the plugin says that VM " + vm->id + " is " +
                                         std::string(to_string(started->state)) + " after its " +
                                         std::string(core::to_string(command.action)) + ": " + started->status_reason,
                                     "vmm-failed")
                        : std::move(started).error();
  if (error.step.empty()) error.step = std::string(core::to_string(command.action)) + "-vmm";
  if (error.log_tail.empty()) error.log_tail = vmm_log_tail(args.run_dir);
  // Whatever the plugin left: its processes go, so that "not started" is a promise.
  if (auto killed = processes_.kill({vm->id, document.incarnation}, CallLimits{}.within_ms(5000)); !killed) {
    // Handle and sockets stay: it is still there to be asked and ended.
    error.message += "; and its process could not be ended: " + killed.error().message;
    return error;
  }
  processes_.clean_up(vm->id, document.incarnation);
  static_cast<void>(vm->folder.remove_handle());
  return error;
}

// The truth about a VMM that is gone, in the plugin's words where the plugin can be asked.
VmStatus Manager::ended_status(const VmPtr& vm) {
  VmStatus status;
  status.state = VmState::shutdown;
  const auto process = processes_.find({vm->id, vm->document.incarnation});
  if (process && !process->alive) status.exit = process->exit;
  const auto driver = drivers_.find(vm->document.hypervisor);
  const auto args = args_for(vm);
  if (driver && args) {
    auto seen = (*driver)->inspect(call_for(vm, {}, -1), *args);
    if (seen && seen->state == VmState::shutdown) {
      if (!seen->exit) seen->exit = status.exit;
      status = std::move(*seen);
    }
  }
  if (status.status_reason.empty() && status.exit) {
    if (status.exit->kind == ExitKind::signaled)
      status.status_reason = "the VMM was killed by signal " + std::to_string(status.exit->signal);
    if (status.exit->kind == ExitKind::exited)
      status.status_reason = "the VMM exited with code " + std::to_string(status.exit->code);
    if (status.exit->kind == ExitKind::unknown)
      status.status_reason = "the VMM is gone and nothing recorded how it ended (supervisor lost)";
  }
  return status;
}

Result<VmStatus> Manager::stop(const VmPtr& vm, const Operation& operation, bool force) {
  const Command& command = operation.command;
  if (vm->document.incarnation == 0) {
    // Its document can't be read: nothing tells which plugin to ask, and its processes are the agent's own.
    QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)));
    VmStatus status;
    status.state = VmState::shutdown;
    status.status_reason = "killed on request; its folder's document can't be read, delete it";
    return status;
  }
  const DriverCall call = call_for(vm, command, operation.cancel_fd());
  auto driver = drivers_.find(vm->document.hypervisor);
  auto args = args_for(vm);
  Result<VmStatus> stopped = make_error(Code::unavailable, "its plugin can't be asked", "hypervisor-unavailable");
  if (driver && args) {
    StopArgs stop_args;
    stop_args.vm = *args;
    stop_args.mode = force ? StopMode::force : StopMode::graceful;
    stop_args.timeout_ms = options_.stop_timeout_ms;
    if (!force && !command.document.empty()) {
      QARAX_TRY(const auto wanted, decode<core::StopCommand>(std::string_view(command.document), Unknown::ignore));
      if (wanted.timeout_ms > 0) stop_args.timeout_ms = wanted.timeout_ms;
    }
    stopped = (*driver)->stop(call, stop_args);
  }
  // Without its plugin a VM still has to be endable: the processes are the agent's own.
  if (!stopped && force) {
    QARAX_CHECK(processes_.kill({vm->id, vm->document.incarnation}, CallLimits{}.within_ms(kKillMs)));
    stopped = ended_status(vm);
  }
  if (!stopped) return stopped;
  if (stopped->state != VmState::shutdown)
    return make_error(
        Code::internal,
        "the plugin says that VM " + vm->id + " is " + std::string(to_string(stopped->state)) + " after its stop",
        "vmm-failed");
  processes_.clean_up(vm->id, vm->document.incarnation);
  return stopped;
}

Status Manager::remove(const VmPtr& vm, const Command& command) {
  QARAX_CHECK(note_intent(vm, command));
  const VmState state = status_of(vm).state;
  if (state != VmState::shutdown && state != VmState::created) {
    const Operation force(command, [](const CommandResult&) {});
    if (auto stopped = stop(vm, force, true); !stopped && state != VmState::unknown) return std::move(stopped).error();
  }
  // Nothing of it may run when its folder goes, whatever the plugin said and whatever the document says.
  QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)));
  processes_.clean_up(vm->id, vm->document.incarnation);
  if (const Status noted = processes_.leftovers().disown(vm->id); !noted)
    core::logger("vm")->error("what the VM leaves behind can't be noted vm={} reason={}", vm->id,
                              core::log_value(noted.error().message));
  vm->folder.remove_runs();
  SnapshotFolder(vm->folder.path()).remove_all();
  QARAX_CHECK(write_tombstone(tombstones_dir_, {vm->id, command.revision, command.step}));
  vm->journal.reset();
  return vm->folder.remove();
}

}  // namespace qarax::agent
