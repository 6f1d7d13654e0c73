#include "fake_node.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "qarax/core/ids.hpp"

namespace qarax::server {

FakeNode::FakeNode() : node_id_(core::new_uuid()) { start(); }

void FakeNode::start() {
  const std::lock_guard lock(mutex_);
  stopping_ = false;
  session_ = core::new_uuid();
  seq_ = 0;
  log_.clear();
  for (auto& [id, vm] : vms_) {
    vm.report.session = session_;
    vm.report.seq = ++seq_;
  }
}

void FakeNode::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left_.clear();
  }
  changed_.notify_all();
}

bool FakeNode::is_gone() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void FakeNode::lose_replies(int count) {
  const std::lock_guard lock(mutex_);
  lost_replies_ = count;
}

void FakeNode::hang(bool hangs) {
  const std::lock_guard lock(mutex_);
  hangs_ = hangs;
  if (!hangs)
    for (const NodeCommand& command : std::exchange(left_, {})) settle(command);
  changed_.notify_all();
}

void FakeNode::fail(Error error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

void FakeNode::forget_features() {
  const std::lock_guard lock(mutex_);
  outdated_ = true;
}

void FakeNode::pretend_to_delete() {
  const std::lock_guard lock(mutex_);
  pretends_ = true;
}

void FakeNode::hold_adopts() {
  const std::lock_guard lock(mutex_);
  holds_adopts_ = true;
}

void FakeNode::wait_for_adopt() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return adopt_arrived_; });
}

void FakeNode::await_adopt(const std::function<bool()>& is_left) {
  std::unique_lock lock(mutex_);
  if (!holds_adopts_) return;
  adopt_arrived_ = true;
  changed_.notify_all();
  while (!stopping_ && !is_left()) changed_.wait_for(lock, std::chrono::milliseconds(10));
}

void FakeNode::fail_reads(Error error) {
  const std::lock_guard lock(mutex_);
  read_failure_ = std::move(error);
}

Result<Counters> FakeNode::counters() const {
  const std::lock_guard lock(mutex_);
  if (read_failure_) return *read_failure_;
  return Counters{{{"fake", 1, "count"}}};
}

void FakeNode::refuse(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

bool FakeNode::knows(std::string_view feature) const {
  const std::lock_guard lock(mutex_);
  return !outdated_ &&
         std::find(std::begin(core::kFeatures), std::end(core::kFeatures), feature) != std::end(core::kFeatures);
}

Result<VmSpec> FakeNode::resolve(const core::StartCommand& command) const {
  const std::lock_guard lock(mutex_);
  if (refusal_.code != Code::ok) return refusal_;
  VmSpec out = command.resolved.value_or(command.spec);
  if (out.config.text == "null") out.config.text = R"({"machine":"frozen-1"})";
  return out;
}

std::map<std::string, VmState> FakeNode::vms() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, VmState> out;
  for (const auto& [id, vm] : vms_) out[id] = vm.report.status.state;
  return out;
}

int FakeNode::carried_out(core::Action action) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(done_.count(action));
}

void FakeNode::wait_for_command(core::Action action) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return arrived_.contains(action); });
}

void FakeNode::tell_of_socket(std::string path, std::string boot_id) {
  const std::lock_guard lock(mutex_);
  unix_socket_ = std::move(path);
  boot_id_ = std::move(boot_id);
}

void FakeNode::set_state(const std::string& id, VmState state) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.report.status.state = state;
  changed(vm);
}

void FakeNode::obey(const Activation& other, std::int64_t position) {
  const std::lock_guard lock(mutex_);
  obeyed_ = other;
  position_ = position;
}

void FakeNode::reached(const Activation& server, std::int64_t position) {
  const std::lock_guard lock(mutex_);
  if (obeyed_.id == server.id) position_ = std::max(position_, position);
  changed_.notify_all();
}

std::int64_t FakeNode::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

void FakeNode::raise_edition(const std::string& id, std::int64_t edition) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.given.keep_edition = edition;
  changed(vm);
}

void FakeNode::raise_revision(const std::string& id, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.revision = revision;
  changed(vm);
}

void FakeNode::change_identity() {
  const std::lock_guard lock(mutex_);
  node_id_ = core::new_uuid();
}

NodeSurvey FakeNode::survey(const std::vector<std::string>& deleted_of) const {
  NodeSurvey out;
  out.info = info();
  const std::lock_guard lock(mutex_);
  out.obeyed = obeyed_;
  out.position = outdated_ ? 0 : position_;
  for (const auto& [id, vm] : vms_) {
    core::KeptVm kept;
    kept.report = vm.report;
    kept.report.name = vm.given.name;
    kept.report.hypervisor = vm.given.hypervisor;
    kept.spec = vm.given.spec;
    kept.keep = vm.given.keep;
    kept.boot_source_id = vm.given.boot_source_id;
    kept.snapshots = vm.snapshots;
    out.vms.push_back(std::move(kept));
  }
  for (const std::string& id : deleted_of) {
    const auto stone = tombstones_.find(id);
    if (stone == tombstones_.end()) continue;
    core::KeptVm kept;
    kept.report.vm = id;
    kept.report.revision = stone->second;
    kept.report.deleted = true;
    out.vms.push_back(std::move(kept));
  }
  return out;
}

std::optional<Error> FakeNode::greet(const Activation& server) {
  const std::lock_guard lock(mutex_);
  if (!obeyed_.cluster_id.empty() && obeyed_.cluster_id != server.cluster_id)
    return make_error(Code::failed_precondition, "another cluster", "other-cluster");
  if (server.term < obeyed_.term || (server.term == obeyed_.term && server.id != obeyed_.id))
    return make_error(Code::aborted, "a stale term", "stale-term");
  if (obeyed_.id != server.id) position_ = 0;
  obeyed_ = server;
  return std::nullopt;
}

std::optional<Error> FakeNode::adopt(const Activation& server, const Activation& seen) {
  const std::lock_guard lock(mutex_);
  if (obeyed_.id != seen.id) return make_error(Code::aborted, "it obeys another one now", "plan-changed");
  if (obeyed_.id != server.id) position_ = 0;
  obeyed_ = server;
  return std::nullopt;
}

void FakeNode::leave(core::Leftover leftover) {
  const std::lock_guard lock(mutex_);
  leftovers_.push_back(std::move(leftover));
}

std::vector<core::Leftover> FakeNode::leftovers(bool collect, const std::vector<std::string>& owned) {
  const std::lock_guard lock(mutex_);
  const auto is_owned = [&](const core::Leftover& one) {
    return std::find(owned.begin(), owned.end(), one.vm) != owned.end();
  };
  std::vector<core::Leftover> out = leftovers_;
  std::erase_if(out, is_owned);
  if (!collect) return out;
  ++collected_;
  std::erase_if(leftovers_, std::not_fn(is_owned));
  for (core::Leftover& one : out) one.removed = true;
  return out;
}

int FakeNode::collected() const {
  const std::lock_guard lock(mutex_);
  return collected_;
}

int FakeNode::told_to_keep() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

void FakeNode::lose_keeps(int count) {
  const std::lock_guard lock(mutex_);
  lost_keeps_ = count;
}

void FakeNode::keep(const std::string& id, const std::string& name, const RawJson& words, std::int64_t edition) {
  const std::lock_guard lock(mutex_);
  ++kept_;
  if (lost_keeps_ > 0) {
    --lost_keeps_;
    return;
  }
  const auto vm = vms_.find(id);
  if (vm == vms_.end() || (edition > 0 && edition < vm->second.given.keep_edition)) return;
  vm->second.given.name = name;
  vm->second.given.keep = words;
  vm->second.given.keep_edition = edition;
  changed(vm->second);
}

void FakeNode::changed(Vm& vm) {
  if (!outdated_) {
    vm.report.keep = core::fingerprint_of_keep(vm.given.name, vm.given.keep);
    vm.report.keep_edition = vm.given.keep_edition;
  }
  vm.report.session = session_;
  vm.report.seq = ++seq_;
  vm.report.revision = vm.revision;
  log_.push_back(vm.report);
  changed_.notify_all();
}

core::NodeInfo FakeNode::info() const {
  const std::lock_guard lock(mutex_);
  core::NodeInfo out;
  out.node_id = node_id_;
  out.session = session_;
  out.version = "fake";
  out.unix_socket = unix_socket_;
  out.boot_id = boot_id_;
  out.cpus = 4;
  out.memory = 64LL << 30;
  out.default_hypervisor = "fake";
  core::PluginInfo plugin;
  plugin.name = "fake";
  plugin.kind = "hypervisor";
  plugin.state = core::PluginState::loaded;
  plugin.interfaces = {"qarax.hypervisor/1",        "qarax.hypervisor.counters/1", "qarax.hypervisor.pause/1",
                       "qarax.hypervisor.reboot/1", "qarax.hypervisor.resize/1",   "qarax.hypervisor.snapshot/1"};
  plugin.description.emplace();
  plugin.description->healthy = true;
  plugin.description->limits.max_vcpus = 64;
  out.plugins.push_back(std::move(plugin));
  return out;
}
void FakeNode::watch(const std::function<bool(const core::VmReport*)>& sink,
                     const std::function<bool()>& is_cancelled) {
  std::unique_lock lock(mutex_);
  for (const auto& [id, vm] : vms_) sink(&vm.report);
  const core::VmReport end;
  sink(&end);
  std::size_t at = log_.size();
  while (!stopping_ && !is_cancelled()) {
    if (at < log_.size()) {
      if (!sink(&log_[at++])) return;
    } else if (changed_.wait_for(lock, std::chrono::milliseconds(50)) == std::cv_status::timeout) {
      if (!sink(nullptr)) return;
    }
  }
}

}  // namespace qarax::server
