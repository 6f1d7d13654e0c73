// Snapshot, restore and resize, on the VM's strand, and what recovery does about those that the agent's end
// interrupted.
#include <unistd.h>

#include "command_document.hpp"
#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/resize.hpp"
#include "snapshot_folder.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kUndoMs = 10'000;

// The id becomes a folder's name.
Status check_id(const std::string& id) {
  if (core::is_uuid(id)) return Ok{};
  return make_error(Code::invalid_argument, "a snapshot's id must be a UUID, got \"" + id + "\"");
}

// Reports a write that failed for lack of room as such, whatever code the plugin chose. The half-written file that
// filled the disk may be gone by now: then only the VMM's message tells.
Error snapshot_error(Error error, const SnapshotFolder& snapshots) {
  const bool is_full = snapshots.disk_is_full() || error.message.find("No space left on device") != std::string::npos;
  if (error.code != Code::resource_exhausted && !is_full) return error;
  error.code = Code::resource_exhausted;
  if (error.reason.empty() || is_full) error.reason = "disk-full";
  error.message = "there is no room for the snapshot on its host: " + error.message;
  return error;
}

}  // namespace

DriverCall Manager::call_to_undo(const VmPtr& vm) { return call_for(vm, CallLimits{}.within_ms(kUndoMs)); }

Result<VmStatus> Manager::resize(const VmPtr& vm, const Command& command, Driver& driver, const DriverCall& call) {
  QARAX_TRY(const auto wanted, resize_command_in(command.document));
  return resize_to(vm, wanted, driver, call);
}

Result<VmStatus> Manager::resize_to(const VmPtr& vm, const core::ResizeCommand& wanted, Driver& driver,
                                    const DriverCall& call) {
  ResizeArgs args;
  QARAX_TRY(args.vm, args_for(vm));
  args.vcpus = wanted.vcpus;
  args.memory = wanted.memory;
  QARAX_TRY(VmStatus status, driver.resize(call, args));
  VmDocument document = vm->document;
  core::apply(wanted, document.spec, document.resolved);
  document.live = status.live;
  if (auto written = vm->folder.write_document(document); !written) {
    // A size that is recorded nowhere would be gone after the next start, without an explanation.
    const VmSpec& before = vm->document.resolved ? *vm->document.resolved : vm->document.spec;
    if (args.vcpus) args.vcpus = before.boot_vcpus;
    if (args.memory) args.memory = before.memory_size;
    log_unless(driver.resize(call_to_undo(vm), args), "a resize could not be undone", vm->id);
    return std::move(written).error();
  }
  vm->document = std::move(document);
  return status;
}

// Resumes a VM that ran before and that the plugin has left paused. Otherwise returns the status as it is now.
Result<VmStatus> Manager::go_on(const VmPtr& vm, Driver& driver, VmState before, const VmStatus& now) {
  if (before != VmState::running || now.state != VmState::paused) return now;
  QARAX_TRY(const VmArgs args, args_for(vm));
  return driver.resume(call_to_undo(vm), args);
}

Result<VmStatus> Manager::snapshot(const VmPtr& vm, const Command& command, Driver& driver, DriverCall call) {
  QARAX_TRY(const auto wanted, decode<core::SnapshotCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_id(wanted.id));
  const SnapshotFolder snapshots(vm->folder.path());
  const VmState before = reports_.status_of(vm->known).state;
  const auto folder = snapshots.begin(wanted.id);
  if (!folder) return snapshot_error(folder.error(), snapshots);
  call.fds = {folder->get()};
  SnapshotArgs args;
  QARAX_TRY(args.vm, args_for(vm));
  const auto fail = [&](Error error) {
    error = snapshot_error(std::move(error), snapshots);
    snapshots.undo(wanted.id);
    if (auto seen = driver.inspect(call_to_undo(vm), args.vm))
      log_unless(go_on(vm, driver, before, *seen), "the VM is left paused after a snapshot that failed", vm->id);
    return error;
  };
  auto taken = driver.snapshot(call, args);
  if (!taken) return fail(std::move(taken).error());
  if (!core::has_vmm(taken->state))
    return fail(make_error(Code::internal,
                           "the plugin says that VM " + vm->id + " is " + std::string(to_string(taken->state)) +
                               " after its snapshot: " + taken->status_reason,
                           "vmm-failed"));
  SnapshotManifest manifest;
  manifest.id = wanted.id;
  manifest.name = wanted.name;
  manifest.created_at = core::to_rfc3339(clock_.wall());
  manifest.vm = vm->id;
  manifest.incarnation = vm->document.incarnation;
  manifest.hypervisor = vm->document.hypervisor;
  manifest.plugin_version = driver.version();
  manifest.spec = vm->document.spec;
  manifest.resolved = vm->document.resolved.value_or(vm->document.spec);
  manifest.boot = vm->document.boot;
  auto finished = snapshots.finish(std::move(manifest));
  if (!finished) return fail(std::move(finished).error());
  core::logger("vm")->info("snapshot taken vm={} snapshot={} bytes={}", vm->id, wanted.id, finished->size);
  auto now = go_on(vm, driver, before, *taken);
  if (!now) return std::move(now).error().context("the snapshot is taken, but the VM is left paused");
  now->live = taken->live;
  return now;
}

void Manager::add_snapshot_facts(const VmPtr& vm, const std::string& document, core::VmReport& report) {
  const auto asked = decode<core::SnapshotCommand>(std::string_view(document), Unknown::ignore);
  if (!asked) return;
  if (const auto manifest = SnapshotFolder(vm->folder.path()).read(asked->id))
    report.snapshot = core::SnapshotFacts{manifest->id, manifest->size};
}

Result<VmStatus> Manager::drop_snapshot(const VmPtr& vm, const Command& command) {
  QARAX_TRY(const auto wanted, decode<core::SnapshotCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_id(wanted.id));
  QARAX_CHECK(SnapshotFolder(vm->folder.path()).remove(wanted.id));
  return reports_.status_of(vm->known);
}

Result<VmStatus> Manager::restore(const VmPtr& vm, const Operation& operation) {
  const Command& command = operation.command;
  QARAX_TRY(const auto wanted, decode<core::RestoreCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_id(wanted.snapshot));
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

// At recovery: a VM that was paused for a snapshot is resumed, a half-done restore is ended, and a resize is carried
// through, because nothing records how far it came.
Result<VmStatus> Manager::carry_through(const VmPtr& vm, const JournalRecord& intent, const VmStatus& now) {
  const auto action = core::action_named(intent.action);
  if (!core::has_vmm(now.state)) return now;
  QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
  if (action == core::Action::snapshot) return go_on(vm, *driver, intent.before, now);
  if (action == core::Action::restore && now.state == VmState::paused) {
    QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kUndoMs)));
    StopArgs args;
    QARAX_TRY(args.vm, args_for(vm));
    args.mode = StopMode::force;
    QARAX_TRY(VmStatus stopped, driver->stop(call_to_undo(vm), args));
    processes_.clean_up(vm->id, vm->document.incarnation);
    stopped.status_reason = "its restore was interrupted and undone";
    return stopped;
  }
  if (action == core::Action::resize && now.state == VmState::running) {
    // The resize has begun, perhaps by a newer agent. Applying the members that this agent knows is better than leaving
    // it half done.
    QARAX_TRY(const auto wanted, decode<core::ResizeCommand>(std::string_view(intent.document.text), Unknown::ignore));
    return resize_to(vm, wanted, *driver, call_to_undo(vm));
  }
  return now;
}

}  // namespace qarax::agent
