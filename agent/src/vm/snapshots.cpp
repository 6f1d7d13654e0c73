#include "snapshots.hpp"

#include <utility>

#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "redact.hpp"
#include "snapshot_folder.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

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

Status check_snapshot_id(const std::string& id) {
  if (core::is_uuid(id)) return Ok{};
  return make_error(Code::invalid_argument, "a snapshot's id must be a UUID, got \"" + id + "\"");
}

Result<VmStatus> Snapshots::go_on(const std::shared_ptr<Vm>& vm, Driver& driver, VmState before, const VmStatus& now,
                                  std::int64_t limit_ms) const {
  if (before != VmState::running || now.state != VmState::paused) return now;
  QARAX_TRY(const VmArgs args, args_for(*vm, processes_));
  return driver.resume(call_to_undo(vm, limit_ms), args);
}

Result<VmStatus> Snapshots::take(const std::shared_ptr<Vm>& vm, const Command& command, Driver& driver,
                                 DriverCall call) const {
  QARAX_TRY(const auto wanted, decode<core::SnapshotCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_snapshot_id(wanted.id));
  const SnapshotFolder snapshots(vm->folder.path());
  const VmState before = reports_.status_of(vm->known).state;
  const auto folder = snapshots.begin(wanted.id);
  if (!folder) return snapshot_error(folder.error(), snapshots);
  call.fds = {folder->get()};
  SnapshotArgs args;
  QARAX_TRY(args.vm, args_for(*vm, processes_));
  const auto fail = [&](Error error) {
    error = snapshot_error(std::move(error), snapshots);
    snapshots.undo(wanted.id);
    const auto seen = driver.inspect(call_to_undo(vm), args.vm);
    const Result<VmStatus> now = seen ? go_on(vm, driver, before, *seen) : seen;
    if (seen && !now) {
      log_unless(now, "the VM is left paused after a snapshot that failed", vm->id);
      error.message += "; the VM is left paused, as it could not be resumed: " + now.error().message +
                       "; resume it to try that again";
    }
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
  if (!now) {
    // The snapshot is complete, and recovery would report it as taken. After a failure the server would not list it.
    core::logger("vm")->error("the VM can't go on after its snapshot vm={} reason={}", vm->id,
                              core::log_value(now.error().message));
    std::string why = "its snapshot is taken, and it could not go on: " + now.error().message;
    hide_folder(why, data_dir_);
    now = driver.inspect(call_to_undo(vm), args.vm);
    if (!now) now = *taken;
    if (now->state == VmState::paused) now->status_reason = std::move(why);
  }
  now->live = taken->live;
  return now;
}

void Snapshots::add_facts(const Vm& vm, const std::string& document, core::VmReport& report) {
  const auto asked = decode<core::SnapshotCommand>(std::string_view(document), Unknown::ignore);
  if (!asked) return;
  if (const auto manifest = SnapshotFolder(vm.folder.path()).read(asked->id))
    report.snapshot = core::SnapshotFacts{manifest->id, manifest->size};
}

Result<VmStatus> Snapshots::drop(const std::shared_ptr<Vm>& vm, const Command& command) const {
  QARAX_TRY(const auto wanted, decode<core::SnapshotCommand>(std::string_view(command.document), Unknown::ignore));
  QARAX_CHECK(check_snapshot_id(wanted.id));
  QARAX_CHECK(SnapshotFolder(vm->folder.path()).remove(wanted.id));
  return reports_.status_of(vm->known);
}

}  // namespace qarax::agent
