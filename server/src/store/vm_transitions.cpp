#include "vm_transitions.hpp"

#include <utility>

#include "qarax/core/clock.hpp"

namespace qarax::server {

namespace {

// Keeps the time at which the VM first became unknown, whoever concluded that and why.
void date_unknown(Observed& observed, WallTime now) {
  if (observed.status.state != VmState::unknown)
    observed.unknown_since.clear();
  else if (observed.unknown_since.empty())
    observed.unknown_since = core::to_rfc3339(now);
}

// A start that failed early leaves the VM as it was before: the previous incarnation, shut down, or none at all. A node
// that hasn't heard of the latest revision tells nothing of that start: its folder may be a copy of before, and what it
// has forgotten may still run.
bool is_of_before_the_start(const VmRecord& vm, const core::VmReport& report, ReportOf of) {
  if (report.incarnation >= vm.incarnation || report.status.state != VmState::shutdown) return false;
  return of == ReportOf::job ||
         (vm.job_id.empty() && vm.observed.status.state == VmState::unknown && report.revision >= vm.revision);
}

void freeze_machine(VmRecord& vm, const core::VmReport& report) {
  const bool settles = vm.draft_since > 0 && report.incarnation > vm.draft_since;
  if (!report.resolved || (vm.resolved && !settles)) return;
  vm.resolved = report.resolved;
  vm.unread.resolved.clear();  // it belonged to the previous machine
  vm.draft_since = 0;
}

}  // namespace

bool observe(VmRecord& vm, const core::VmReport& report, ReportOf of, WallTime now) {
  if (report.missing || report.deleted) return false;
  const bool before_the_start = is_of_before_the_start(vm, report, of);
  if (report.incarnation != vm.incarnation && !before_the_start) return false;
  if (report.session == vm.observed.session && report.seq <= vm.observed.seq) return false;
  vm.observed.session = report.session;
  vm.observed.seq = report.seq;
  vm.observed.observed_at = report.observed_at;
  vm.observed.incarnation = report.incarnation;
  vm.observed.status = report.status;
  vm.observed.keep = report.keep;
  vm.observed.keep_edition = report.keep_edition;
  vm.observed.source = Source::node;
  if (before_the_start && report.incarnation == 0) vm.observed.status.state = VmState::created;
  date_unknown(vm.observed, now);
  freeze_machine(vm, report);
  return true;
}

bool observe_unbegun(VmRecord& vm, const core::VmReport& answer, WallTime now) {
  if (vm.observed.status.state != VmState::unknown || vm.observed.source != Source::server) return false;
  if (is_of_before_the_start(vm, answer, ReportOf::job)) return observe(vm, answer, ReportOf::job, now);
  // What counts is the refusal, not the missing folder. A node that has reported the VM before had its folder, and has
  // lost with it what it knew of this start.
  if (!answer.missing || vm.observed.incarnation > 0) return false;
  vm.observed.session = answer.session;
  vm.observed.seq = answer.seq;
  vm.observed.observed_at = answer.observed_at;
  vm.observed.status = {};
  vm.observed.status.state = VmState::created;
  vm.observed.source = Source::node;
  date_unknown(vm.observed, now);
  return true;
}

bool note_outdated(VmRecord& vm, const core::VmReport& report) {
  if (report.missing || report.deleted || report.incarnation >= vm.incarnation || !vm.job_id.empty()) return false;
  if (vm.observed.status.state != VmState::unknown || vm.observed.source != Source::server) return false;
  std::string reason = "its node knows ";
  reason += report.incarnation == 0 ? "no start" : "only start " + std::to_string(report.incarnation);
  reason += " of it, and the latest was " + std::to_string(vm.incarnation);
  if (!report.status.status_reason.empty()) reason += " (the node says: " + report.status.status_reason + ")";
  reason += "; force-stop it, which ends whatever runs of it, or restore the node's data folder";
  if (vm.observed.status.status_reason == reason) return false;
  vm.observed.status.status_reason = std::move(reason);
  return true;
}

void lose_sight(VmRecord& vm, const std::string& reason, WallTime now) {
  vm.observed.status.state = VmState::unknown;
  vm.observed.status.status_reason = reason;
  vm.observed.status.can.clear();
  vm.observed.source = Source::server;
  vm.observed.session.clear();
  date_unknown(vm.observed, now);
}

void heed_power_off(VmRecord& vm) {
  const VmStatus& status = vm.observed.status;
  if (vm.observed.incarnation != vm.incarnation) return;  // the end of an earlier one says nothing of this one
  if (status.state == VmState::shutdown && vm.desired.state != VmState::shutdown && status.exit &&
      status.exit->kind == ExitKind::exited && status.exit->code == 0)
    vm.desired = {VmState::shutdown, Origin::guest, vm.desired.revision};
}

void learn_wish(VmRecord& vm) {
  if (vm.desired.state == VmState::unknown) vm.desired.state = vm.observed.status.state;
}

void end_job(VmRecord& vm, const JobRecord& job, JobState state) {
  vm.activity.clear();
  vm.job_id.clear();
  if (state != JobState::failed && state != JobState::cancelled) return;
  const std::int64_t revision = vm.desired.revision;
  vm.desired = job.before;
  vm.desired.revision = revision;
}

void take_machine(VmRecord& vm, const SnapshotRecord& snapshot) {
  vm.spec = snapshot.spec;
  vm.resolved = snapshot.resolved;
  vm.unread.spec = snapshot.unread.spec;
  vm.unread.resolved = snapshot.unread.resolved;
  vm.draft_since = 0;
}

}  // namespace qarax::server
