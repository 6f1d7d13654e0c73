#include "reports.hpp"

#include <utility>

#include "qarax/core/lifecycle.hpp"

namespace qarax::agent {

Known::Known(std::string vm, std::int64_t incarnation, VmStatus status) {
  report_.vm = std::move(vm);
  report_.incarnation = incarnation;
  report_.status = std::move(status);
}

void Reports::number(core::VmReport& report) {
  report.session = session_;
  report.seq = ++seq_;
  report.observed_at = core::to_rfc3339(clock_.wall());
}

const core::VmReport& Reports::record(Known& vm, const Facts& facts) {
  core::VmReport& report = vm.report_;
  report.name = facts.name;
  report.hypervisor = facts.hypervisor;
  report.incarnation = facts.incarnation;
  report.resolved = facts.resolved;
  report.keep = facts.keep;
  report.keep_edition = facts.keep_edition;
  report.revision = facts.revision;
  report.status = facts.status;
  number(report);
  return report;
}

void Reports::announce_to_all(const core::VmReport& report) const {
  for (const auto& [id, one] : listeners_)
    if (one.since < report.seq) one.listener(report);
}

core::VmReport Reports::publish_status(Known& vm, const VmStatus& status) {
  vm.report_.status = status;
  number(vm.report_);
  announce_to_all(vm.report_);
  return vm.report_;
}

core::VmReport Reports::last(const Known& vm) const {
  const std::lock_guard lock(mutex_);
  return vm.report_;
}

VmStatus Reports::status_of(const Known& vm) const {
  const std::lock_guard lock(mutex_);
  return vm.report_.status;
}

std::int64_t Reports::decision_epoch(const Known& vm) const {
  const std::lock_guard lock(mutex_);
  return vm.decisions_;
}

core::VmReport Reports::record_outcome(Known& vm, Settled& command, const Facts& facts) {
  const std::lock_guard lock(mutex_);
  command.is_settled_ = true;
  return record(vm, facts);
}

std::optional<core::VmReport> Reports::record_if_current(Known& vm, const Facts& facts, std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (vm.decisions_ != epoch) return std::nullopt;
  return record(vm, facts);
}

void Reports::announce(const Known& vm, const core::VmReport& report) const {
  const std::lock_guard lock(mutex_);
  if (vm.report_.seq == report.seq) announce_to_all(report);
}

void Reports::publish(Known& vm, const Facts& facts) {
  const std::lock_guard lock(mutex_);
  announce_to_all(record(vm, facts));
}

bool Reports::publish_if_current(Known& vm, const Facts& facts, std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (vm.decisions_ != epoch) return false;
  announce_to_all(record(vm, facts));
  return true;
}

void Reports::set_incarnation(Known& vm, std::int64_t incarnation) {
  const std::lock_guard lock(mutex_);
  vm.report_.incarnation = incarnation;
}

std::optional<core::VmReport> Reports::publish_unless_settled(Known& vm, const Settled& command, std::int64_t revision,
                                                              const VmStatus& status) {
  const std::lock_guard lock(mutex_);
  if (command.is_settled_) return std::nullopt;
  if (status.state != VmState::unknown) ++vm.decisions_;
  vm.report_.revision = revision;
  return publish_status(vm, status);
}

std::optional<core::VmReport> Reports::publish_doubt(Known& vm, std::int64_t revision, const VmStatus& status) {
  const std::lock_guard lock(mutex_);
  if (!core::may_have_vmm(vm.report_.status.state)) return std::nullopt;
  vm.report_.revision = revision;
  return publish_status(vm, status);
}

bool Reports::publish_exit(Known& vm, std::int64_t incarnation, std::int64_t revision, const VmStatus& status) {
  const std::lock_guard lock(mutex_);
  if (vm.report_.incarnation != incarnation || vm.report_.status.state == VmState::shutdown) return false;
  ++vm.decisions_;
  vm.exit_told_of_ = incarnation;
  vm.report_.revision = revision;
  publish_status(vm, status);
  return true;
}

bool Reports::is_exit_untold(const Known& vm, std::int64_t incarnation) const {
  const std::lock_guard lock(mutex_);
  return vm.report_.incarnation == incarnation && vm.report_.status.state != VmState::shutdown;
}

core::VmReport Reports::publish_deleted(Known& vm) {
  const std::lock_guard lock(mutex_);
  ++vm.decisions_;
  vm.report_.deleted = true;
  VmStatus gone;
  gone.state = VmState::shutdown;
  return publish_status(vm, gone);
}

Reports::ExitNews Reports::exit_news(const Known& vm, std::int64_t incarnation) const {
  const std::lock_guard lock(mutex_);
  return {vm.report_.status.state == VmState::shutdown, vm.exit_told_of_ == incarnation};
}

core::VmReport Reports::report_missing(const std::string& vm) {
  core::VmReport report;
  report.vm = vm;
  report.missing = true;
  report.status.status_reason = kNoFolder;
  const std::lock_guard lock(mutex_);
  number(report);
  return report;
}

std::vector<core::VmReport> Reports::subscribe(const std::vector<Known*>& vms, Listener listener, std::uint64_t& id) {
  const std::lock_guard lock(mutex_);
  std::vector<core::VmReport> snapshot;
  snapshot.reserve(vms.size());
  for (Known* vm : vms) {
    if (vm->report_.seq == 0) number(vm->report_);
    snapshot.push_back(vm->report_);
  }
  id = next_listener_++;
  listeners_.emplace(id, Subscription{std::move(listener), seq_});
  return snapshot;
}

void Reports::unsubscribe(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(id);
}

}  // namespace qarax::agent
