// What is removed with a deleted VM: on its strand, or although a call hangs there, and after such a call has come
// back.
#include <deque>
#include <utility>

#include "manager.hpp"
#include "patience.hpp"
#include "snapshot_folder.hpp"
#include "steps.hpp"

namespace qarax::agent {

Status Manager::remove(const VmPtr& vm, const Command& command) {
  QARAX_CHECK(note_intent(vm, command));
  const VmState state = reports_.status_of(vm->known).state;
  if (core::may_have_vmm(state)) {
    if (auto stopped = ending_.stop(vm, command, -1, StopMode::force); !stopped && state != VmState::unknown)
      return std::move(stopped).error();
  }
  // Nothing of the VM may run when its folder is removed, whatever the plugin and the document say.
  QARAX_CHECK(processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)));
  QARAX_CHECK(ending_.end_strays(*vm, command));
  processes_.clean_up(vm->id, vm->document.incarnation);
  vm->folder.remove_runs();
  SnapshotFolder(vm->folder.path()).remove_all();
  // The folder's ledger alone tells of what the VM leaves behind until that is noted elsewhere.
  QARAX_CHECK(processes_.leftovers().disown(vm->id));
  // A later delete may have given up waiting for this one and buried the VM.
  if (vm->is_dead()) return make_error(Code::aborted, "VM " + vm->id + " was deleted meanwhile", "superseded");
  QARAX_CHECK(tombstones_.write({vm->id, command.revision, command.step}));
  tombstones_.one_more(vm->id);
  // If this fails the delete has failed, and the journal, which is then still there, will say so.
  QARAX_CHECK(vm->folder.remove());
  vm->journal.reset();
  return Ok{};
}

// Cleans up after a call that came back when its VM was deleted already: nothing that it has made since may stay.
void Manager::end_late(const VmPtr& vm) {
  Status ended = processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs));
  if (ended) processes_.clean_up(vm->id, reports_.last(vm->known).incarnation);
  if (ended) ended = processes_.leftovers().disown(vm->id);
  if (ended) ended = vm->folder.exists() ? vm->folder.remove() : processes_.vm_processes().end_all_of(vm->id);
  log_unless(ended, "what a deleted VM's call has made is left", vm->id);
}

bool Manager::end_after_kill(const VmPtr& vm, const Operation& operation) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (!operation.killed) return false;
  }
  // The kill may have come before the call started a VMM.
  Status ended = processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs));
  if (ended) ended = processes_.vm_processes().end_all_of(vm->id);
  log_unless(ended, "what a force-stopped VM's call has made is left", vm->id);
  return true;
}

// Completes a delete although the VM's strand is blocked by a call that doesn't return. The VM's processes have ended,
// its folder is removed, and whatever the call still says is ignored.
void Manager::abandon(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  // Both come before `dead` is set: once the call comes back and finds the VM dead, it removes the folder as well.
  Status noted = processes_.leftovers().disown(vm->id);
  if (noted) noted = tombstones_.write({vm->id, command.revision, command.step});
  if (!noted) return finish(vm, operation, {reports_.last(vm->known), std::move(noted).error()});
  tombstones_.one_more(vm->id);
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
