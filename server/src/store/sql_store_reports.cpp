// Reports of nodes.
#include <algorithm>

#include "event_makers.hpp"
#include "rows.hpp"
#include "sql_store.hpp"
#include "vm_transitions.hpp"

namespace qarax::server {

bool SqlStore::starts(const VmRecord& vm) const {
  const auto job = jobs_.find(vm.job_id);
  return job != jobs_.end() && core::begins(job->second.action);
}

// A reply that was in flight when its node was lost or restarted is older than what is known by now.
bool SqlStore::is_current(const core::VmReport& report) const {
  const VmPtr vm = memory_.vm(report.vm);
  const HostPtr host = vm && vm->host_id ? memory_.host(*vm->host_id) : nullptr;
  if (!host || !host->info) return true;
  return host->status != HostStatus::down && report.session == host->info->session;
}

// Called under state(), before readers can see `vm`: whoever has seen that a VM ended finds its memory free.
void SqlStore::settle_reservation(const VmRecord& vm) {
  if (core::may_have_vmm(vm.observed.status.state) || !vm.job_id.empty() || !reservations_.of(vm.id)) return;
  reservations_.erase(vm.id);
  // Unless a new start has reserved again by the time this is written.
  db_->later([this, id = vm.id](Session& session) {
    if (!reservations_.of(id)) rows::delete_reservation(session, id);
  });
}

VmPtr SqlStore::apply_report(const std::string& host_id, const core::VmReport& report) {
  const std::lock_guard lock(db_->state());
  if (!is_current(report)) return nullptr;
  VmState before = VmState::unknown;
  bool applied = false;
  VmPtr vm = memory_.update(report.vm, [&](VmRecord& changed) {
    if (changed.host_id != host_id) return false;
    before = changed.observed.status.state;
    applied = observe(changed, report, ReportOf::vm, clock_->wall());
    if (!applied) return note_outdated(changed, report);
    if (!changed.job_id.empty()) return true;
    learn_wish(changed);
    heed_power_off(changed);
    settle_reservation(changed);
    return true;
  });
  if (!applied) return nullptr;
  if (before != vm->observed.status.state) save_later(vm->id, {events::vm_status_changed(*vm, before)});
  return vm;
}

void SqlStore::forget_restarts(const std::string& vm_id, std::int64_t incarnation) {
  const std::lock_guard lock(db_->state());
  const VmPtr changed = memory_.update(vm_id, [&](VmRecord& vm) {
    if (vm.incarnation != incarnation || vm.restart.count == 0) return false;
    vm.restart.count = 0;
    return true;
  });
  if (changed) save_later(vm_id, {});
}

// Also saved to the database, so that a restarted server doesn't report the change a second time.
void SqlStore::note_unknown(const VmRecord& before, const VmPtr& now) {
  if (now && before.observed.status.state != VmState::unknown)
    save_later(now->id, {events::vm_status_changed(*now, before.observed.status.state)});
}

void SqlStore::lose_host(const std::string& host_id, const std::string& reason) {
  const std::lock_guard lock(db_->state());
  for (const VmPtr& vm : memory_.vms())
    if (vm->host_id == host_id) lose(*vm, reason);
}

void SqlStore::lose_vm(const std::string& host_id, const std::string& vm_id, const std::string& reason) {
  const std::lock_guard lock(db_->state());
  const VmPtr vm = memory_.vm(vm_id);
  if (vm && vm->host_id == host_id) lose(*vm, reason);
}

// Called under state().
void SqlStore::lose(const VmRecord& vm, const std::string& reason) {
  if (!core::may_have_vmm(vm.observed.status.state) && !starts(vm)) return;
  const VmPtr now = memory_.update(vm.id, [&](VmRecord& changed) {
    lose_sight(changed, reason, clock_->wall());
    return true;
  });
  note_unknown(vm, now);
}

void SqlStore::missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) {
  const std::lock_guard lock(db_->state());
  for (const VmPtr& vm : memory_.vms()) {
    if (vm->host_id != host_id || !core::may_have_vmm(vm->observed.status.state) || !vm->job_id.empty()) continue;
    if (std::find(seen.begin(), seen.end(), vm->id) != seen.end()) continue;
    const VmPtr now = memory_.update(vm->id, [&](VmRecord& changed) {
      changed.observed.status = {};
      lose_sight(changed, "missing: its node has no folder for it; delete it, or restore the node's data folder",
                 clock_->wall());
      return true;
    });
    note_unknown(*vm, now);
  }
}

}  // namespace qarax::server
