// VMs that only a node knows, and things on the node that no VM owns.
#include <chrono>
#include <future>

#include "able.hpp"
#include "adopter_draft.hpp"
#include "qarax/core/logging.hpp"
#include "refusals.hpp"

namespace qarax::server {

Result<std::vector<api::AdoptVm>> Adopter::unmanaged(const std::string& host_id) {
  QARAX_TRY(Draft made, draft(host_id));
  std::vector<api::AdoptVm> out;
  for (api::AdoptVm& vm : made.plan.vms)
    if (!store_.vm(vm.id)) out.push_back(std::move(vm));
  return out;
}

Result<core::KeptVm> Adopter::find_unmanaged(const Draft& draft, const std::string& vm_id) const {
  if (!draft.link->is_up())
    return make_error(Code::unavailable,
                      "host " + draft.host->name + " isn't up" +
                          (draft.host->status_reason.empty() ? "" : ": " + draft.host->status_reason),
                      "node-unreachable");
  for (const core::KeptVm& vm : draft.seen.vms)
    if (vm.report.vm == vm_id && !store_.vm(vm_id)) return vm;
  return make_error(Code::not_found,
                    "host " + draft.host->name + " has no VM " + vm_id + " that the server doesn't know",
                    "vm-not-found");
}

Result<VmPtr> Adopter::adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSurveyMs);
  QARAX_TRY(Draft made, draft(host_id));
  QARAX_TRY(const core::KeptVm kept, find_unmanaged(made, vm_id));
  Adoption one;
  one.host_id = host_id;
  for (VmRecord& vm : made.adoption.vms)
    if (vm.id == vm_id) one.vms.push_back(std::move(vm));
  if (one.vms.empty()) {
    std::string why;
    for (const api::AdoptVm& vm : made.plan.vms)
      if (vm.id == vm_id) why = vm.note;
    return make_error(Code::failed_precondition, "VM " + vm_id + " can't be adopted: " + why, "wrong-state");
  }
  if (const auto memory = made.adoption.memory.find(vm_id); memory != made.adoption.memory.end())
    one.memory.insert(*memory);
  for (SnapshotRecord& snapshot : made.adoption.snapshots)
    if (snapshot.vm_id == vm_id) one.snapshots.push_back(std::move(snapshot));
  if (only_check) return std::make_shared<const VmRecord>(std::move(one.vms.front()));
  QARAX_CHECK(store_.adopt(one));
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  catch_up(made, vm_id, left.count());
  core::logger("vms")->info("adopted name={} vm={} host={}", one.vms.front().name, vm_id, made.host->id);
  return store_.vm(vm_id);
}

// A report that came between the survey and the commit found no record and was dropped. So the node is asked again; if
// it doesn't answer in the time that the request has left, the snapshot of a new connection brings the state.
void Adopter::catch_up(const Draft& draft, const std::string& vm_id, std::int64_t timeout_ms) {
  if (timeout_ms <= 0) return draft.link->reconnect();
  if (const auto seen = draft.link->survey({}, timeout_ms))
    for (const core::KeptVm& kept : seen->vms)
      if (kept.report.vm == vm_id) {
        static_cast<void>(store_.apply_report(draft.host->id, kept.report));
        return;
      }
  draft.link->reconnect();
}

Result<core::KeptVm> Adopter::find_removable(const Draft& draft, const std::string& vm_id) const {
  QARAX_TRY(core::KeptVm kept, find_unmanaged(draft, vm_id));
  QARAX_CHECK(check_writable(store_));
  return kept;
}

Result<std::int64_t> Adopter::revision_to_remove(const std::string& host_id, const std::string& vm_id) {
  QARAX_TRY(const Draft made, draft(host_id));
  QARAX_TRY(const core::KeptVm kept, find_removable(made, vm_id));
  // A VM with a folder has had at least one command: with revision 0 the node just hasn't read the folder yet.
  if (kept.report.revision == 0)
    return make_error(Code::unavailable, "its node is still taking VM " + vm_id + " over", "node-recovering");
  return kept.report.revision + 1;
}

Status Adopter::remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t revision,
                          std::int64_t timeout_ms) {
  QARAX_TRY(const Draft made, draft(host_id));
  QARAX_TRY(const core::KeptVm kept, find_removable(made, vm_id));
  NodeCommand command{.action = core::Action::remove, .vm = vm_id, .incarnation = kept.report.incarnation};
  // Must be above the revisions that the node got from elsewhere since.
  command.revision = kept.report.revision > revision ? kept.report.revision + 1 : revision;
  auto promise = std::make_shared<std::promise<CommandOutcome>>();
  auto future = promise->get_future();
  made.link->execute(std::move(command), timeout_ms,
                     [promise](CommandOutcome outcome) { promise->set_value(std::move(outcome)); });
  const CommandOutcome outcome = future.get();
  if (outcome.error) {
    Error error = *outcome.error;
    // The node has decided, and repeats this error for that revision. Without a reason it would look like a missing
    // answer.
    if (outcome.decided && error.reason.empty())
      error.reason = error.code == Code::deadline_exceeded ? "vmm-silent" : "vmm-failed";
    return error;
  }
  if (!outcome.report || !outcome.report->deleted)
    return make_error(Code::unavailable, "its node is still taking VM " + vm_id + " over", "node-recovering");
  core::logger("vms")->warn("removed a VM that only its node knew vm={} host={}", vm_id, made.host->id);
  return Ok{};
}

Result<std::vector<core::Leftover>> Adopter::leftovers(const std::string& host_id, bool collect) {
  const HostPtr host = store_.host(host_id);
  if (!host) return no_such_host(host_id);
  QARAX_TRY(const auto link, link_of(host_id));
  // Also what other hosts' records have: a node whose folder was lost and that was registered anew runs the VMs of the
  // host that it was, until they are deleted or forgotten there. A folder that it set aside is a mere copy while the
  // node that it is of is up.
  std::vector<std::string> owned;
  for (const VmPtr& vm : store_.vms()) owned.push_back(vm->id);
  for (const HostPtr& known : store_.hosts())
    if (!known->node_id.empty() && known->status != HostStatus::up) owned.push_back(known->node_id);
  auto found = link->leftovers(collect, owned);
  if (!found) return outdated(std::move(found).error().context("leftovers of host " + host->name), host->name);
  return found;
}

}  // namespace qarax::server
