#include "starting.hpp"

#include <unistd.h>

#include <utility>

#include "command_document.hpp"
#include "liveness.hpp"
#include "patience.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"
#include "snapshot_folder.hpp"
#include "snapshots.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

// The first file that doesn't exist; empty: all exist.
std::string missing_of(const BootFiles& boot) {
  for (const std::string& file : {boot.kernel, boot.kernel_pvh, boot.initramfs})
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0) return file;
  return {};
}

}  // namespace

Status Starting::check_incarnation(const VmPtr& vm, const Command& command) {
  if (command.incarnation > vm->document.incarnation) {
    // A start removes the run folders of earlier incarnations, and with them everything that names their processes.
    if (!lives(processes_, vm->id, vm->document.incarnation)) return Ok{};
    return make_error(Code::failed_precondition,
                      "VM " + vm->id + " still has the VMM of incarnation " + std::to_string(vm->document.incarnation) +
                          ", which would share its disks with a new one; force-stop it first",
                      "wrong-state");
  }
  return make_error(Code::failed_precondition,
                    "VM " + vm->id + " had incarnation " + std::to_string(vm->document.incarnation) +
                        " already; a start needs a higher one",
                    "stale-revision");
}

Result<VmSpec> Starting::resolve(const std::string& document, std::int64_t deadline_ns) {
  QARAX_TRY(const auto wanted, start_command_in(document));
  QARAX_TRY(Driver * driver, in_step("find-plugin", drivers_.find(wanted.hypervisor)));
  if (auto boot = boot_files_.check_files(wanted.boot_source_id); !boot && boot.error().reason != "no-boot-source")
    return std::move(boot).error().at_step("boot-files");
  if (wanted.resolved && !wanted.resolve) return *wanted.resolved;
  QARAX_TRY(const core::Scope asked,
            in_step("resolve", of_resolve_.begin("what " + wanted.hypervisor + " resolves", deadline_ns)));
  DriverCall call;
  call.deadline_ns = deadline_ns;
  return in_step("resolve", driver->resolve(call, {wanted.resolved.value_or(wanted.spec)}));
}

// Boot files are named by their digest, so a file of the same name in this data folder is the same file. Its path
// differs where the data folder was moved.
BootFiles Starting::found(BootFiles boot) const {
  for (std::string* file : {&boot.kernel, &boot.kernel_pvh, &boot.initramfs}) {
    if (file->empty() || ::access(file->c_str(), R_OK) == 0) continue;
    const std::string here = data_dir_ + "/images" + file->substr(file->rfind('/'));
    if (::access(here.c_str(), R_OK) == 0) *file = here;
  }
  return boot;
}

// The files that the VM has booted before, unless its machine was changed since: the node's default kernel may be
// another one by now, or gone.
Result<BootFiles> Starting::boot_files_of(const VmPtr& vm, const core::StartCommand& wanted) {
  BootFiles before = found(vm->document.boot);
  const bool is_the_same = !wanted.resolve && wanted.boot_source_id == vm->document.boot_source_id;
  if (is_the_same && !before.kernel.empty() && missing_of(before).empty()) return before;
  return boot_files_.files_for(wanted.boot_source_id);
}

Result<VmStatus> Starting::start(const VmPtr& vm, Operation& operation) {
  auto turn = std::exchange(operation.turn, std::nullopt);
  if (turn && !*turn) return std::move(*turn).error().at_step("admission");
  const Command& command = operation.command;
  QARAX_TRY(const auto wanted, start_command_in(command.document));
  QARAX_CHECK(check_incarnation(vm, command));
  QARAX_TRY(Driver * driver, in_step("find-plugin", drivers_.find(wanted.hypervisor)));
  const DriverCall call = call_for(vm, command, operation.cancel_fd(), progress_);

  VmDocument document = document_of(command, wanted);
  auto boot = boot_files_of(vm, wanted);
  // Not every hypervisor boots a kernel, so the plugin decides whether a missing default kernel matters.
  if (boot)
    document.boot = std::move(*boot);
  else if (boot.error().reason != "no-boot-source")
    return std::move(boot).error().at_step("boot-files");
  document.resolved = wanted.resolved;
  // Values that were frozen before stay: a plugin resolves only what the spec leaves open.
  if (!document.resolved || wanted.resolve) {
    // As in a dry run: a handle that was kept now would be removed with that of the last incarnation.
    DriverCall pure = call;
    pure.keep = nullptr;
    pure.progress = nullptr;
    QARAX_TRY(document.resolved,
              in_step("resolve", driver->resolve(pure, {document.resolved ? *document.resolved : wanted.spec})));
  }
  const bool is_first = vm->document.boot.kernel.empty();
  QARAX_CHECK(in_step("record", processes_.check_alone({vm->id, document.incarnation})));
  QARAX_CHECK(note_start(vm, command, document));
  auto started = launch(
      vm, operation, [&](const DriverCall& with, const StartArgs& args) { return driver->start(with, args); },
      std::move(turn));
  if (!started) forget_unused(vm, is_first, !wanted.resolved);
  return started;
}

// After a start that failed. Nothing has ever booted from the files of a first one, so the next start takes those that
// the node has by then. Nor has a machine run that the server didn't know yet: reported, it would bind the VM to this
// hypervisor for good. But a VMM that couldn't be ended runs as that machine.
void Starting::forget_unused(const VmPtr& vm, bool boot_files, bool machine) {
  machine = machine && !lives(processes_, vm->id, vm->document.incarnation);
  if (vm->is_dead() || (!boot_files && !machine)) return;
  if (boot_files) vm->document.boot = {};
  if (machine) vm->document.resolved.reset();
  log_unless(vm->folder.write_document(vm->document),
             "the next start has the same boot files and machine, as they can't be forgotten", vm->id);
}

Result<VmStatus> Starting::restore(const VmPtr& vm, const Operation& operation) {
  const Command& command = operation.command;
  QARAX_TRY(const auto wanted, decode<core::RestoreCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_snapshot_id(wanted.snapshot));
  QARAX_CHECK(check_incarnation(vm, command));
  const SnapshotFolder snapshots(vm->folder.path());
  QARAX_TRY(SnapshotManifest manifest, snapshots.read(wanted.snapshot));
  manifest.boot = found(std::move(manifest.boot));
  if (const std::string gone = missing_of(manifest.boot); !gone.empty())
    return make_error(Code::failed_precondition, "the snapshot's boot file " + gone + " is gone", "boot-files-missing");
  QARAX_TRY(Driver * driver, drivers_.find(manifest.hypervisor));
  QARAX_TRY(const core::Fd folder, snapshots.open(wanted.snapshot));
  VmDocument document = document_of(command, wanted.start);
  document.hypervisor = manifest.hypervisor;
  document.spec = manifest.spec;
  document.resolved = manifest.resolved;
  document.boot = manifest.boot;
  QARAX_CHECK(in_step("record", processes_.check_alone({vm->id, document.incarnation})));
  QARAX_CHECK(note_start(vm, command, document));
  auto restored = launch(vm, operation, [&](DriverCall& call, const StartArgs& args) {
    call.fds = {folder.get()};
    return driver->restore(call, args);
  });
  if (!restored && driver->version() != manifest.plugin_version)
    return std::move(restored).error().context("the snapshot was taken by " + manifest.hypervisor + " " +
                                               manifest.plugin_version + ", this is " + driver->version());
  return restored;
}

// Records the intent and the incarnation's document before anything else is made.
Status Starting::note_start(const VmPtr& vm, const Command& command, const VmDocument& document) {
  const JournalRecord intent = record_of(RecordKind::intent, command);
  if (!vm->folder.exists()) {
    QARAX_TRY(Journal journal, in_step("record", vm->folder.make(intent, document)));
    vm->journal.emplace(std::move(journal));
  } else {
    if (!vm->journal) {
      auto journal = vm->folder.open_journal(After::agent);
      // Nothing runs and a new incarnation begins, which doesn't depend on what became of earlier ones.
      if (!journal && journal.error().code == Code::data_loss) {
        core::logger("vm")->warn("a damaged journal is set aside, another one begins vm={} reason={}", vm->id,
                                 core::log_value(journal.error().message));
        journal = vm->folder.begin_journal_anew(command.revision);
      }
      if (!journal) return std::move(journal).error().at_step("record");
      vm->journal.emplace(std::move(*journal));
    }
    QARAX_CHECK(in_step("record", vm->journal->append(intent, Outlives::host)));
    QARAX_CHECK(in_step("record", vm->folder.remove_handle()));
    QARAX_CHECK(in_step("record", vm->folder.write_document(document)));
  }
  vm->document = document;
  reports_.set_incarnation(vm->known, document.incarnation);
  vm->folder.remove_old_runs(command.incarnation);
  return Ok{};
}

Result<VmStatus> Starting::launch(const VmPtr& vm, const Operation& operation, const Launch& how,
                                  std::optional<Result<BootGate::Turn>> turn) {
  const Command& command = operation.command;
  const VmDocument& document = vm->document;
  DriverCall call = call_for(vm, command, operation.cancel_fd(), progress_);
  StartArgs args;
  args.vm = vm->id;
  args.name = document.name;
  args.incarnation = document.incarnation;
  args.spec = document.resolved.value_or(document.spec);
  args.boot = document.boot;
  args.run_dir = processes_.run_dir(vm->id, document.incarnation);
  QARAX_CHECK(in_step("record", core::make_folder_unsynced(args.run_dir)));  // its supervisor syncs it
  auto started = how(call, args);
  if (started && core::has_vmm(started->state)) {
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
  // Kill the processes that the plugin may have left, so that a failed start means that nothing runs.
  if (auto killed = processes_.kill({vm->id, document.incarnation}, CallLimits{}.within_ms(kFailedStartMs)); !killed) {
    // Handle and sockets stay, because the VMM still runs and must be reachable to be asked and ended.
    error.message += "; and its process could not be ended: " + killed.error().message;
    return error;
  }
  processes_.clean_up(vm->id, document.incarnation);
  log_unless(vm->folder.remove_handle(), "the handle of a start that failed is left", vm->id);
  return error;
}

}  // namespace qarax::agent
