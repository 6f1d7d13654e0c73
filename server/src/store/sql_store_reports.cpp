// What nodes report.
#include <algorithm>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {}  // namespace

// The time of the first word that it is unknown, whoever said it and why.
void SqlStore::date_unknown(Observed& observed) const {
  if (observed.status.state != VmState::unknown)
    observed.unknown_since.clear();
  else if (observed.unknown_since.empty())
    observed.unknown_since = now_text();
}

// The server's own conclusion, from hearing nothing: whatever the node says next is newer, also what it said before.
void SqlStore::lose_sight(VmRecord& vm, const std::string& reason) const {
  vm.observed.status.state = VmState::unknown;
  vm.observed.status.status_reason = reason;
  vm.observed.status.can.clear();
  vm.observed.source = Source::server;
  vm.observed.session.clear();
  date_unknown(vm.observed);
}

bool SqlStore::starts(const VmRecord& vm) const {
  const auto job = jobs_.find(vm.job_id);
  return job != jobs_.end() && core::begins(job->second.action);
}

// A reply that was under way when its node was lost, or restarted, tells of a time before what is known by now.
bool SqlStore::is_current(const core::VmReport& report) const {
  const VmPtr vm = memory_.vm(report.vm);
  const HostPtr host = vm && vm->host_id ? memory_.host(*vm->host_id) : nullptr;
  if (!host || !host->info) return true;
  return host->status != HostStatus::down && report.session == host->info->session;
}

// True when something changed that people or schedulers see. `of_job`: the report came with the end of a job.
bool SqlStore::observe(VmRecord& vm, const core::VmReport& report, bool of_job) const {
  if (report.missing || report.deleted) return false;
  // A start that failed early has left the incarnation before it, shut down, or none at all: the VM is as it was then.
  const bool before_this = report.incarnation < vm.incarnation && report.status.state == VmState::shutdown &&
                           (of_job || (vm.job_id.empty() && vm.observed.status.state == VmState::unknown));
  if (report.incarnation != vm.incarnation && !before_this) return false;
  if (report.session == vm.observed.session && report.seq <= vm.observed.seq) return false;
  vm.observed.session = report.session;
  vm.observed.seq = report.seq;
  vm.observed.observed_at = report.observed_at;
  vm.observed.incarnation = report.incarnation;
  vm.observed.status = report.status;
  vm.observed.keep = report.keep;
  vm.observed.keep_edition = report.keep_edition;
  vm.observed.source = Source::node;
  if (before_this && report.incarnation == 0) vm.observed.status.state = VmState::created;
  date_unknown(vm.observed);
  const bool settles = vm.draft_since > 0 && report.incarnation > vm.draft_since;
  if (report.resolved && (!vm.resolved || settles)) {
    vm.resolved = report.resolved;
    vm.unread.resolved.clear();  // it was of another machine
    vm.draft_since = 0;
  }
  return true;
}

// A guest that powered itself off meant it; a crash isn't a wish.
void SqlStore::heed_power_off(VmRecord& vm) {
  const VmStatus& status = vm.observed.status;
  if (status.state == VmState::shutdown && vm.desired.state != VmState::shutdown && status.exit &&
      status.exit->kind == ExitKind::exited && status.exit->code == 0)
    vm.desired = {VmState::shutdown, Origin::guest, vm.desired.revision};
}

// Adopted before its node had looked at it: as for every other adopted VM, what it is found to be is what was asked
// for.
void SqlStore::learn_wish(VmRecord& vm) {
  if (vm.desired.state == VmState::unknown) vm.desired.state = vm.observed.status.state;
}

void SqlStore::settle_reservation(const VmPtr& vm) {
  const auto found = reservations_.find(vm->id);
  if (found == reservations_.end() || core::may_have_vmm(vm->observed.status.state) || !vm->job_id.empty()) return;
  reservations_.erase(found);
  // Unless a start has taken it anew by the time of writing.
  db_->later([this, id = vm->id](Session& session) {
    if (!reservations_.contains(id)) rows::delete_reservation(session, id);
  });
}

VmPtr SqlStore::apply_report(const std::string& host_id, const core::VmReport& report) {
  const std::lock_guard lock(db_->state());
  if (!is_current(report)) return nullptr;
  VmState before = VmState::unknown;
  VmPtr vm = memory_.update(report.vm, [&](VmRecord& changed) {
    if (changed.host_id != host_id) return false;
    before = changed.observed.status.state;
    if (!observe(changed, report, false)) return false;
    if (!changed.job_id.empty()) return true;
    learn_wish(changed);
    heed_power_off(changed);
    return true;
  });
  if (!vm) return nullptr;
  if (before != vm->observed.status.state) save_later(vm->id, {events::vm_status_changed(*vm, before)});
  settle_reservation(vm);
  return vm;
}

// Written too, so that a restarted server doesn't tell of the change a second time.
void SqlStore::note_unknown(const VmRecord& before, const VmPtr& now) {
  if (now && before.observed.status.state != VmState::unknown)
    save_later(now->id, {events::vm_status_changed(*now, before.observed.status.state)});
}

void SqlStore::lose_host(const std::string& host_id, const std::string& reason) {
  const std::lock_guard lock(db_->state());
  for (const VmPtr& vm : memory_.vms()) {
    if (vm->host_id != host_id || !(core::may_have_vmm(vm->observed.status.state) || starts(*vm))) continue;
    const VmPtr now = memory_.update(vm->id, [&](VmRecord& changed) {
      lose_sight(changed, reason);
      return true;
    });
    note_unknown(*vm, now);
  }
}

void SqlStore::missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) {
  const std::lock_guard lock(db_->state());
  for (const VmPtr& vm : memory_.vms()) {
    if (vm->host_id != host_id || !core::may_have_vmm(vm->observed.status.state) || !vm->job_id.empty()) continue;
    if (std::find(seen.begin(), seen.end(), vm->id) != seen.end()) continue;
    const VmPtr now = memory_.update(vm->id, [&](VmRecord& changed) {
      changed.observed.status = {};
      lose_sight(changed, "missing: its node has no folder for it; delete it, or restore the node's data folder");
      return true;
    });
    note_unknown(*vm, now);
  }
}

}  // namespace qarax::server
