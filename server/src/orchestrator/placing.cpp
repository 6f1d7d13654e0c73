#include "placing.hpp"

#include <map>

#include "keep.hpp"

namespace qarax::server {

bool is_reachable(const VmRecord& vm, const Fleet& nodes) {
  const auto link = vm.host_id ? nodes.link(*vm.host_id) : nullptr;
  return link && link->is_up();
}

Error unreachable(const VmRecord& vm, const StoreReads& store) {
  const HostPtr host = vm.host_id ? store.host(*vm.host_id) : nullptr;
  Error error = make_error(Code::unavailable,
                           "VM " + vm.name + " is on host " + (host ? host->name : "?") + ", which can't be reached" +
                               (host && !host->status_reason.empty() ? ": " + host->status_reason : ""),
                           "node-unreachable");
  error.step = "reach-node";
  error.retryable = true;
  error.retry_after_ms = 2000;
  return error;
}

Error not_at_its_node(Error said) {
  said.code = Code::failed_precondition;
  said.reason = "wrong-state";
  said.hint = "its node has no folder for it: DELETE removes it";
  return said;
}

Error delete_not_confirmed() {
  return make_error(Code::internal, "its node reported success but did not confirm that the VM is deleted",
                    "node-protocol");
}

Error answer_of_node(Error said, const VmRecord& vm, const StoreReads& store) {
  const HostPtr host = vm.host_id ? store.host(*vm.host_id) : nullptr;
  Error error = std::move(said).context("VM " + vm.name + " on host " + (host ? host->name : "?"));
  if (error.reason == "vm-not-found") return not_at_its_node(std::move(error));
  if (error.reason == "stale-session") {
    // The node has just restarted and this server hasn't greeted it yet.
    error.code = Code::unavailable;
    error.reason = "node-unreachable";
  }
  if (error.code == Code::unauthenticated) error.reason = "node-unauthorized";
  // The node answered, so it was the VMM that didn't. There is no job to follow.
  if (error.code == Code::deadline_exceeded && error.reason.empty()) error.reason = "vmm-silent";
  return error;
}

Result<Promises::Promised> Promises::place(const std::function<Result<Choice>()>& choice) {
  const std::lock_guard lock(mutex_);
  QARAX_TRY(Choice made, choice());
  for (Candidate& one : made.candidates)
    if (const auto found = bytes_.find(one.host->id); found != bytes_.end()) one.promised = found->second;
  QARAX_TRY(Placement placement, server::place(made.request, made.candidates));
  bytes_[placement.host_id] += placement.memory;
  const auto take_back = [this, host = placement.host_id, memory = placement.memory] {
    const std::lock_guard again(mutex_);
    if (const auto found = bytes_.find(host); found != bytes_.end() && (found->second -= memory) <= 0)
      bytes_.erase(found);
  };
  return Promised{std::move(placement), Kept(take_back)};
}

Result<Choice> choice_for(const VmRecord& vm, const VmSpec& spec, const StoreReads& store, const Fleet& nodes) {
  std::map<std::string, std::int64_t> reserved;
  for (const Reservation& one : store.reservations())
    if (one.vm_id != vm.id) reserved[one.host_id] += one.memory;
  std::vector<Candidate> candidates;
  for (const HostPtr& host : store.hosts()) {
    // A VM that was started once stays where its folder is.
    if (vm.host_id && host->id != *vm.host_id) continue;
    const auto link = nodes.link(host->id);
    candidates.push_back({host, reserved[host->id], link && link->is_up()});
  }
  if (vm.host_id && vm.incarnation > 0 && !candidates.empty() && !candidates.front().reachable)
    return unreachable(vm, store);
  // The hypervisor for which the machine was frozen at the first start runs the VM ever after.
  const bool frozen = vm.resolved && !vm.observed.hypervisor.empty();
  const std::string& hypervisor = frozen ? vm.observed.hypervisor : vm.hypervisor;
  VmSpec asked = spec;
  if (vm.resolved) asked.config = {};  // frozen as its plugin accepted it, even if the plugin has another schema by now
  return Choice{{vm.name, hypervisor, std::move(asked), frozen}, std::move(candidates)};
}

Result<Placement> place_vm(const VmRecord& vm, const VmSpec& spec, const StoreReads& store, const Fleet& nodes) {
  QARAX_TRY(const Choice choice, choice_for(vm, spec, store, nodes));
  return place(choice.request, choice.candidates);
}

core::StartCommand start_command(const VmRecord& vm, const std::string& hypervisor) {
  core::StartCommand command;
  command.name = vm.name;
  command.hypervisor = hypervisor;
  command.spec = vm.spec;
  command.resolved = vm.resolved;
  command.resolve = vm.draft_since > 0;
  command.boot_source_id = vm.boot_source_id;
  command.keep.text = encode(keep_of(vm));
  command.keep_edition = vm.edition;
  return command;
}

}  // namespace qarax::server
