// What a command does, on its VM's strand: intent on disk, the driver's call, result on disk, answer.
#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kCompactAt = 64 * 1024;

Error ok() { return Error{Code::ok, {}, {}, {}, false, 0, {}, {}}; }

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

VmStatus Manager::status_of(const VmPtr& vm) {
  const std::lock_guard lock(order_mutex_);
  return vm->report.status;
}

void Manager::run(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  {
    const std::lock_guard lock(vm->strand_mutex);
    vm->running = operation;
  }
  idle_.notify_all();
  const auto log = core::logger("vm");
  const VmStatus before = status_of(vm);
  CommandResult result;
  result.error = ok();
  const auto fail = [&](Error error) {
    log->error("{} failed vm={} request={} reason={}", core::to_string(command.action), vm->id, command.request_id,
               core::log_value(error.message));
    result.error = std::move(error);
  };

  const core::Verdict verdict = core::judge(command.action, before.state);
  if (verdict == core::Verdict::refuse) {
    fail(core::refusal(command.action, before.state, vm->document.name.empty() ? vm->id : vm->document.name));
    result.report = publish(vm, before);
  } else if (verdict == core::Verdict::no_change) {
    result.report = publish(vm, before);
  } else if (command.action == core::Action::remove) {
    if (auto removed = remove(vm, command)) {
      result.report = publish_deleted(vm);
    } else {
      fail(std::move(removed).error());
      result.report = publish(vm, status_of(vm));
    }
  } else {
    auto status = perform(vm, *operation);
    if (!status) fail(std::move(status).error());
    JournalRecord record = record_of(RecordKind::result, command);
    const VmStatus after = status ? *status : status_of(vm);
    record.status.text = encode(after);
    if (!status) record.error.text = encode(result.error);
    if (vm->journal) {
      if (auto kept = vm->journal->append(record, Outlives::agent); !kept)
        log->error("the result could not be kept vm={} reason={}", vm->id, core::log_value(kept.error().message));
      if (vm->journal->size() > kCompactAt) static_cast<void>(vm->journal->compact());
    }
    result.report = publish(vm, after);
    if (status) log->debug("{} done vm={} request={}", core::to_string(command.action), vm->id, command.request_id);
  }
  finish(vm, operation, result);
  const std::lock_guard lock(vm->strand_mutex);
  vm->running = nullptr;
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

Result<VmStatus> Manager::perform(const VmPtr& vm, const Operation& operation) {
  const Command& command = operation.command;
  if (command.action == core::Action::start) return start(vm, operation);
  QARAX_CHECK(vm->journal->append(record_of(RecordKind::intent, command), Outlives::agent));
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
    default:
      return make_error(Code::unimplemented, "this node can't " + std::string(core::to_string(command.action)));
  }
}

Result<VmStatus> Manager::start(const VmPtr& vm, const Operation& operation) {
  const Command& command = operation.command;
  QARAX_TRY(const auto wanted, decode<core::StartCommand>(std::string_view(command.document), Unknown::ignore));
  if (command.incarnation <= vm->document.incarnation)
    return make_error(Code::failed_precondition,
                      "VM " + vm->id + " had incarnation " + std::to_string(vm->document.incarnation) +
                          " already; a start needs a higher one",
                      "stale-revision");
  QARAX_TRY(Driver * driver, drivers_.find(wanted.hypervisor));
  const DriverCall call = call_for(vm, command, operation.cancel_fd());

  VmDocument document;
  document.vm = vm->id;
  document.name = wanted.name;
  document.hypervisor = wanted.hypervisor;
  document.incarnation = command.incarnation;
  document.boot_identity = core::boot_identity();
  document.spec = wanted.spec;
  auto boot = boot_files_.files_for(wanted.boot_source_id);
  // Not every hypervisor boots a kernel: whether the lack of a default one matters is the plugin's to say.
  if (boot)
    document.boot = std::move(*boot);
  else if (boot.error().reason != "no-boot-source")
    return std::move(boot).error();
  document.resolved = wanted.resolved;
  if (!document.resolved) {
    QARAX_TRY(document.resolved, driver->resolve(call, {wanted.spec}));
  }
  QARAX_CHECK(core::make_folder(vm->folder.path()));
  if (!vm->journal) {
    QARAX_TRY(Journal journal, vm->folder.open_journal(After::agent));
    vm->journal.emplace(std::move(journal));
  }
  QARAX_CHECK(vm->journal->append(record_of(RecordKind::intent, command), Outlives::host));
  QARAX_CHECK(vm->folder.remove_handle());
  const VmDocument before = vm->document;
  QARAX_CHECK(vm->folder.write_document(document));
  vm->document = document;
  vm->folder.remove_old_runs(command.incarnation);

  StartArgs args;
  args.vm = vm->id;
  args.name = document.name;
  args.incarnation = document.incarnation;
  args.spec = *document.resolved;
  args.boot = document.boot;
  args.run_dir = processes_.run_dir(vm->id, document.incarnation);
  QARAX_CHECK(core::make_folder(args.run_dir));
  QARAX_CHECK(gate_.enter({command.deadline_ns, operation.cancel_fd()}));
  auto started = driver->start(call, args);
  if (started && (started->state == VmState::running || started->state == VmState::paused)) {
    const auto process = processes_.find({vm->id, document.incarnation});
    if (process && process->alive && started->accelerator != "kvm")
      gate_.leave_when_calm({process->pid, process->start_time});
    else
      gate_.leave();
    return started;
  }
  gate_.leave();
  Error error = started
                    ? make_error(Code::internal,
                                 "the plugin says that VM " + vm->id + " is " + std::string(to_string(started->state)) +
                                     " after its start: " + started->status_reason,
                                 "vmm-failed")
                    : std::move(started).error();
  if (error.log_tail.empty()) error.log_tail = vmm_log_tail(args.run_dir);
  // Whatever the plugin left: its processes go, so that "not started" is a promise.
  if (auto killed = processes_.kill({vm->id, document.incarnation}, CallLimits{}.within_ms(5000)); !killed)
    error.message += "; and its process could not be ended: " + killed.error().message;
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
  const DriverCall call = call_for(vm, command, operation.cancel_fd());
  auto driver = drivers_.find(vm->document.hypervisor);
  auto args = args_for(vm);
  Result<VmStatus> stopped = make_error(Code::unavailable, "its plugin can't be asked");
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
    QARAX_CHECK(processes_.kill({vm->id, vm->document.incarnation}, CallLimits{}.within_ms(10'000)));
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
  if (vm->journal) QARAX_CHECK(vm->journal->append(record_of(RecordKind::intent, command), Outlives::host));
  const VmState state = status_of(vm).state;
  if (state != VmState::shutdown && state != VmState::created) {
    const Operation force(command, [](const CommandResult&) {});
    if (auto stopped = stop(vm, force, true); !stopped && state != VmState::unknown) return std::move(stopped).error();
  }
  // Nothing of it may run when its folder goes, whatever the plugin said.
  if (vm->document.incarnation > 0) {
    QARAX_CHECK(processes_.kill({vm->id, vm->document.incarnation}, CallLimits{}.within_ms(10'000)));
    processes_.clean_up(vm->id, vm->document.incarnation);
  }
  QARAX_CHECK(write_tombstone(tombstones_dir_, {vm->id, command.revision, command.step}));
  vm->journal.reset();
  return vm->folder.remove();
}

}  // namespace qarax::agent
