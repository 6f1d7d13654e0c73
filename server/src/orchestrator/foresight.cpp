#include "foresight.hpp"

#include "able.hpp"
#include "decision.hpp"
#include "placing.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/core/resize.hpp"
#include "record_action.hpp"
#include "refusals.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kResolveMs = 10'000;

}  // namespace

Status Foresight::ask_plugin(const VmRecord& vm, Foreseen& foreseen) const {
  const Placement& placement = *foreseen.placement;
  const HostPtr host = store_.host(placement.host_id);
  const std::string where = host ? host->name : placement.host_id;
  const auto link = nodes_.link(placement.host_id);
  if (!link || !link->is_up() || !link->knows(core::kFeatureResolve)) {
    foreseen.notes.push_back("host " + where + (link && link->is_up() ? " has an older node, which" : "") +
                             " can't be asked what its plugin thinks of it");
    return Ok{};
  }
  auto resolved = link->resolve(start_command(vm, placement.hypervisor), kResolveMs);
  if (!resolved) return std::move(resolved).error().context("host " + where + ", hypervisor " + placement.hypervisor);
  foreseen.resolved = std::move(*resolved);
  return Ok{};
}

// Adds what a start would do now. That no host fits is only a note: the start comes later.
Result<Foreseen> Foresight::start_of(const VmRecord& vm, Foreseen foreseen) const {
  auto placement = place_vm(vm, vm.spec, store_, nodes_);
  if (!placement) {
    foreseen.notes.push_back("a start would be refused now: " + placement.error().message);
    return foreseen;
  }
  foreseen.placement = std::move(*placement);
  QARAX_CHECK(ask_plugin(vm, foreseen));
  return foreseen;
}

Result<Foreseen> Foresight::create(NewVmInput input) const {
  QARAX_CHECK(could_fit({input.name, input.hypervisor, input.spec}, store_.hosts()));
  input.only_check = true;
  QARAX_TRY(const VmPtr vm, store_.create_vm(input));
  Foreseen foreseen;
  foreseen.action = kCreateVm;
  return start_of(*vm, std::move(foreseen));
}

Result<Foreseen> Foresight::edit_vm(const Edit& edit) const {
  const VmPtr before = store_.vm(edit.id);
  QARAX_TRY(const VmPtr after, editor_.edit_vm({edit.id, edit.patch, edit.expected_version, true}));
  Foreseen foreseen;
  foreseen.action = kEditVm;
  const bool same_machine = before && before->revision == after->revision;
  foreseen.changes = !same_machine || !before || before->name != after->name ||
                     before->description != after->description || before->tags != after->tags ||
                     before->restart.policy != after->restart.policy || before->restart.limit != after->restart.limit;
  if (same_machine) return foreseen;
  return start_of(*after, std::move(foreseen));
}

// For a VM without a VMM, the size that its next start would have.
Result<Foreseen> Foresight::resize_of(const VmRecord& vm, const core::ResizeCommand& size, Foreseen foreseen) const {
  VmRecord after = vm;
  core::apply(size, after.spec, after.resolved);
  foreseen.changes = encode(after.spec) != encode(vm.spec);
  if (core::may_have_vmm(vm.observed.status.state)) return foreseen;
  foreseen.notes.emplace_back("it holds from the next start on");
  return start_of(after, std::move(foreseen));
}

// For a job that would be begun. Notes what is known only when its node carries it out.
Result<Foreseen> Foresight::job_of(const VmRecord& vm, const BeginJob& job, Foreseen foreseen) const {
  for (const JobRecord& other : store_.unfinished_jobs())
    if (other.id == vm.job_id)
      foreseen.notes.push_back("it would take the place of job " + other.id + ", a " +
                               std::string(core::to_string(other.action)));
  foreseen.placement = job.placement;
  switch (job.action) {
    case core::Action::start:
      QARAX_CHECK(ask_plugin(vm, foreseen));
      break;
    case core::Action::resize:
      foreseen.notes.emplace_back("not checked: whether the running VMM can take this very size");
      return resize_of(vm, job.arguments.resize, std::move(foreseen));
    case core::Action::snapshot:
      foreseen.notes.emplace_back("not checked: whether its host's disk has room for the VM's memory");
      break;
    case core::Action::restore:
      if (const SnapshotPtr snapshot = store_.snapshot(job.arguments.snapshot)) foreseen.resolved = snapshot->resolved;
      foreseen.notes.emplace_back("the VM would have the snapshot's sizes and machine, and go on where it left off");
      break;
    default:
      break;
  }
  return foreseen;
}

Result<Foreseen> Foresight::removal_of(const VmRecord& vm, bool by_its_node, Foreseen foreseen) const {
  const VmState state = vm.observed.status.state;
  if (core::may_have_vmm(state))
    foreseen.notes.push_back("it is " + std::string(to_string(state)) + " and would be killed");
  if (!vm.host_id || by_its_node) return foreseen;
  foreseen.notes.emplace_back("a tombstone would stay until its node returns");
  for (const Reservation& one : store_.reservations())
    if (one.vm_id == vm.id)
      foreseen.notes.push_back("the " + std::to_string(one.memory) +
                               " bytes of memory that its host has reserved for it would stay so until its node has "
                               "confirmed its end, or the host is removed, as it may run on");
  return foreseen;
}

Result<Foreseen> Foresight::act(const std::string& vm_id, core::Action action, bool forget,
                                const ActOptions& options) const {
  QARAX_CHECK(check_writable(store_));
  Foreseen foreseen;
  foreseen.action = core::to_string(action);
  for (int attempt = 0;; ++attempt) {
    const VmPtr vm = store_.vm(vm_id);
    if (!vm) return no_such_vm(vm_id);
    const bool removes = action == core::Action::remove;
    if (removes) {
      QARAX_TRY(const std::optional<Removal> alone, decide_removal(*vm, forget, options, store_, nodes_));
      if (alone) return removal_of(*vm, false, std::move(foreseen));
    }
    QARAX_TRY(Decision decision, decide(*vm, action, options, store_, nodes_, nullptr));
    if (decision.kind == Decision::Kind::no_change) {
      foreseen.changes = false;
      return foreseen;
    }
    if (decision.kind == Decision::Kind::resize_idle)
      return resize_of(*vm, options.arguments.resize, std::move(foreseen));
    // The store's checks (room, names, other jobs), without recording the job.
    decision.job.only_check = true;
    const auto checked = store_.begin_job(decision.job);
    if (!checked && lost_race(checked.error()) && attempt < kAttempts) continue;
    if (!checked) return checked.error();
    if (!removes) return job_of(*vm, decision.job, std::move(foreseen));
    QARAX_TRY(foreseen, job_of(*vm, decision.job, std::move(foreseen)));
    return removal_of(*vm, true, std::move(foreseen));
  }
}

Result<Foreseen> Foresight::add_host(NewHostInput input) const {
  input.only_check = true;
  QARAX_CHECK(store_.add_host(input));
  Foreseen foreseen;
  foreseen.action = kAddHost;
  for (const HostPtr& host : store_.hosts())
    if (host->address == input.address && host->port == input.port)
      foreseen.notes.push_back("host " + host->name + " has this address and port already; one node is one host");
  foreseen.notes.emplace_back("not checked: whether its node answers");
  return foreseen;
}

Result<Foreseen> Foresight::init_host(const std::string& id) const {
  const HostPtr host = store_.host(id);
  if (!host) return no_such_host(id);
  Foreseen foreseen;
  foreseen.action = to_string(HostAction::init_host);
  foreseen.changes = host->status != HostStatus::up;
  if (foreseen.changes) foreseen.notes.emplace_back("not checked: whether its node answers");
  return foreseen;
}

Result<Foreseen> Foresight::edit_host(const Edit& edit) const {
  const HostPtr before = store_.host(edit.id);
  QARAX_TRY(const HostPtr after, editor_.edit_host({edit.id, edit.patch, edit.expected_version, true}));
  Foreseen foreseen;
  foreseen.action = kEditHost;
  const bool moves = before && (before->address != after->address || before->port != after->port);
  foreseen.changes = moves || (before && (before->name != after->name || before->host_user != after->host_user));
  if (moves) foreseen.notes.emplace_back("its VMs would be unknown until its node answers at the new address");
  return foreseen;
}

Result<Foreseen> Foresight::remove_host(RemoveHost asked) const {
  asked.only_check = true;
  QARAX_CHECK(editor_.remove_host(asked));
  Foreseen foreseen;
  foreseen.action = kRemoveHost;
  for (const VmPtr& vm : store_.vms())
    if (vm->host_id == asked.host_id)
      foreseen.notes.push_back("VM " + vm->name + " would be forgotten, which is " +
                               std::string(to_string(vm->observed.status.state)));
  if (const HostPtr host = store_.host(asked.host_id); host && !host->needs_adopt.empty())
    foreseen.notes.emplace_back(is_awaited(*host)
                                    ? "what it may know of later states of this database would never be heard"
                                    : "what it knows of later states of this database would be lost with it");
  if (const std::size_t left = store_.tombstones(asked.host_id).size(); left > 0)
    foreseen.notes.push_back("the tombstones of " + std::to_string(left) + " forgotten VMs would go with it");
  return foreseen;
}

Result<Foreseen> Foresight::cancel(const std::string& job_id) const {
  QARAX_TRY(const JobPtr job, check_cancel(job_id, store_, nodes_));
  Foreseen foreseen;
  foreseen.action = "cancel";
  foreseen.changes = !job->cancelling;
  foreseen.notes.push_back("the " + job->action + " of VM " + job->vm_name +
                           " would be undone, unless it comes to its end first");
  return foreseen;
}

}  // namespace qarax::server
