// Resizes, snapshots and restores: the part of a job that isn't its VM's state.
#include <algorithm>
#include <tuple>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/resize.hpp"
#include "rows.hpp"
#include "store_begin.hpp"
#include "vm_transitions.hpp"

namespace qarax::server {

void SqlStore::keep_snapshot(SnapshotRecord record) {
  auto kept = std::make_shared<const SnapshotRecord>(std::move(record));
  snapshots_[kept->id] = std::move(kept);
}

std::vector<SnapshotPtr> SqlStore::snapshots(const std::string& vm_id) const {
  std::vector<SnapshotPtr> out;
  {
    const std::lock_guard lock(db_->state());
    for (const auto& [id, snapshot] : snapshots_)
      if (snapshot->vm_id == vm_id) out.push_back(snapshot);
  }
  std::sort(out.begin(), out.end(), [](const SnapshotPtr& a, const SnapshotPtr& b) {
    return std::tie(a->created_at, a->id) < std::tie(b->created_at, b->id);
  });
  return out;
}

SnapshotPtr SqlStore::snapshot(const std::string& id) const {
  const std::lock_guard lock(db_->state());
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() ? nullptr : found->second;
}

Status SqlStore::check_free(const VmRecord& vm, const JobRecord* unfinished, core::Action asked) const {
  if (unfinished == nullptr || core::precedence(asked) > core::precedence(unfinished->action)) return Ok{};
  return busy(vm.name, core::to_string(unfinished->action), unfinished->id);
}

Result<VmPtr> SqlStore::resize_idle(const std::string& id, const core::ResizeCommand& size,
                                    std::int64_t expected_revision, std::optional<std::uint64_t> expected_version) {
  VmRecord changed;
  VmPtr now;
  Job done = job_done_at_once(core::to_string(core::Action::resize));
  QARAX_CHECK(db_->transact({{id},
                             [&](Session& session) -> Status {
                               const VmPtr vm = memory_.vm(id);
                               if (!vm) return no_such_vm(id);
                               const auto job = jobs_.find(vm->job_id);
                               if (job != jobs_.end())
                                 if (Status free = check_free(*vm, &job->second, core::Action::resize); !free)
                                   return free;
                               if (expected_version && vm->version != *expected_version)
                                 return overtaken("VM", vm->name);
                               if (vm->revision != expected_revision) return changed_meanwhile(vm->name);
                               changed = *vm;
                               core::apply(size, changed.spec, changed.resolved);
                               // Makes a start that was decided with the old size decide again.
                               ++changed.revision;
                               changed.edition = next_edition(changed);
                               changed.updated_at = now_text();
                               rows::update_vm(session, changed);
                               done.vm_id = id;
                               done.vm_name = changed.name;
                               done.host_id = changed.host_id.value_or("");
                               done.revision = changed.revision;
                               done.incarnation = changed.incarnation;
                               rows::insert_job(session, done, changed.desired, 0, ran_.seconds(), {size, "", ""});
                               events_.add(events::job_finished(done, &changed));
                               return Ok{};
                             },
                             [&] {
                               book_.put(std::move(done));
                               now = memory_.update(id, [&](VmRecord& vm) {
                                 vm.spec = changed.spec;
                                 vm.resolved = changed.resolved;
                                 vm.revision = changed.revision;
                                 vm.edition = changed.edition;
                                 vm.updated_at = changed.updated_at;
                                 return true;
                               });
                             }}));
  return now;
}

Status SqlStore::plan_subject(const BeginJob& asked, const JobRecord* unfinished, Begin& plan) const {
  VmRecord& vm = plan.vm;
  if (unfinished != nullptr && unfinished->action == core::Action::snapshot) {
    // The node may have finished it by now, so it stays listed, as failed, until it is deleted.
    if (const auto found = snapshots_.find(unfinished->arguments.snapshot); found != snapshots_.end()) {
      plan.abandoned = *found->second;
      plan.abandoned->status = SnapshotStatus::failed;
    }
  }
  if (asked.action == core::Action::resize && asked.arguments.resize.memory) {
    const std::int64_t more = *asked.arguments.resize.memory - vm.spec.memory_size;
    const auto found = reservations_.of(vm.id);
    if (more <= 0 || !found) return Ok{};
    const std::int64_t left = asked.capacity - reservations_.sum_on(found->host_id);
    if (more > left) {
      const HostPtr host = memory_.host(found->host_id);
      return no_room_to_grow(vm.name, host ? host->name : found->host_id, left, more);
    }
    plan.reservation = found;
    plan.reservation->memory += more;
  }
  if (asked.action == core::Action::restore || asked.action == core::Action::drop_snapshot) {
    const auto found = snapshots_.find(asked.arguments.snapshot);
    const bool there = found != snapshots_.end() && found->second->vm_id == vm.id;
    if (!there || (asked.action == core::Action::restore && found->second->status != SnapshotStatus::ready))
      return no_such_snapshot(vm.name, asked.arguments.snapshot, there ? " that is ready" : "");
  }
  if (asked.action != core::Action::snapshot) return Ok{};
  const auto is_taken = [&](const std::string& name) {
    return std::any_of(snapshots_.begin(), snapshots_.end(),
                       [&](const auto& item) { return item.second->vm_id == vm.id && item.second->name == name; });
  };
  SnapshotRecord& snapshot = plan.snapshot.emplace();
  snapshot.id = asked.arguments.snapshot;
  snapshot.vm_id = vm.id;
  snapshot.name = asked.arguments.name;
  for (int number = 1; snapshot.name.empty(); ++number)
    if (const std::string name = "snapshot-" + std::to_string(number); !is_taken(name)) snapshot.name = name;
  if (is_taken(snapshot.name)) return name_taken("snapshot", snapshot.name, " of VM " + vm.name);
  snapshot.hypervisor = vm.observed.hypervisor;
  snapshot.spec = vm.spec;
  snapshot.resolved = vm.resolved.value_or(vm.spec);
  snapshot.unread = {vm.unread.spec, vm.resolved ? vm.unread.resolved : vm.unread.spec, ""};
  snapshot.created_at = vm.updated_at;
  plan.job.arguments.name = snapshot.name;
  return Ok{};
}

void SqlStore::publish_subject(const Begin& plan) {
  if (plan.snapshot) keep_snapshot(*plan.snapshot);
  if (plan.abandoned) keep_snapshot(*plan.abandoned);
}

// A resize was superseded by a job that then came to nothing: the VM has the size that its node reports. Without such a
// report the reservation stays as it is until the VM ends, because the VM may use more memory than is known.
void SqlStore::settle_put_aside(const JobRecord& job, const core::VmReport& report, VmRecord& vm) {
  core::ResizeCommand size = job.arguments.resize;
  if ((!size.vcpus && !size.memory) || !report.resolved || report.incarnation != vm.incarnation) return;
  const std::int64_t accounted = std::max(size.memory.value_or(0), vm.spec.memory_size);
  if (size.vcpus) size.vcpus = report.resolved->boot_vcpus;
  if (size.memory) size.memory = report.resolved->memory_size;
  core::apply(size, vm.spec, vm.resolved);
  free_reserved(vm.id, accounted - vm.spec.memory_size);
}

// Under state(). A negative `memory` reserves more. On disk soon.
void SqlStore::free_reserved(const std::string& vm_id, std::int64_t memory) {
  auto reserved = reservations_.of(vm_id);
  if (!reserved || memory == 0) return;
  reserved->memory -= memory;
  reservations_.put(std::move(*reserved));
  db_->later([this, vm_id](Session& session) {
    if (const auto now = reservations_.of(vm_id)) rows::put_reservation(session, *now);
  });
}

// Under state(), together with the job's end: in memory at once, on disk soon, like the job itself.
void SqlStore::finish_subject(const JobRecord& job, JobState state, const std::optional<core::VmReport>& report,
                              VmRecord& vm) {
  const bool done = state == JobState::completed;
  const auto found = snapshots_.find(job.arguments.snapshot);
  if (job.action == core::Action::resize) {
    const std::int64_t more = job.arguments.resize.memory.value_or(vm.spec.memory_size) - vm.spec.memory_size;
    // Added memory was reserved before the resize, so a failed one frees it; removed memory is free once the resize is
    // done.
    free_reserved(vm.id, done ? -std::min<std::int64_t>(more, 0) : std::max<std::int64_t>(more, 0));
    if (done) core::apply(job.arguments.resize, vm.spec, vm.resolved);
  }
  if (found == snapshots_.end()) return;
  SnapshotRecord record = *found->second;
  if (job.action == core::Action::restore && done) take_machine(vm, record);
  const bool gone = job.action == core::Action::snapshot ? !done : job.action == core::Action::drop_snapshot && done;
  if (gone) {
    snapshots_.erase(found);
    db_->later([id = record.id](Session& session) { rows::delete_snapshot(session, id); });
  } else if (job.action == core::Action::snapshot) {
    record.status = SnapshotStatus::ready;
    if (report && report->snapshot) record.size = report->snapshot->size;
    keep_snapshot(record);
    db_->later([this, id = record.id](Session& session) {
      if (const auto now = snapshots_.find(id); now != snapshots_.end()) rows::put_snapshot(session, *now->second);
    });
  }
}

}  // namespace qarax::server
