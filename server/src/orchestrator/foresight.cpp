#include "foresight.hpp"

#include "placing.hpp"
#include "qarax/core/lifecycle.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kAskMs = 10'000;

bool may_run(VmState state) {
  return state == VmState::running || state == VmState::paused || state == VmState::unknown;
}

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
  auto resolved = link->resolve(start_command(vm, placement.hypervisor), kAskMs);
  if (!resolved) return std::move(resolved).error().context("host " + where + ", hypervisor " + placement.hypervisor);
  foreseen.resolved = std::move(*resolved);
  return Ok{};
}

// `now`: a start is what is asked for; else it is only what will come next, and may have to wait for room.
Result<Foreseen> Foresight::start_of(const VmRecord& vm, Foreseen foreseen, bool now) const {
  auto placement = place_vm(vm, vm.spec, store_, nodes_);
  if (!placement && now) return std::move(placement).error();
  if (!placement) {
    foreseen.notes.push_back("a start would be refused now: " + placement.error().message);
    return foreseen;
  }
  foreseen.placement = std::move(*placement);
  QARAX_CHECK(ask_plugin(vm, foreseen));
  return foreseen;
}

Result<Foreseen> Foresight::create(const NewVmInput& input) const {
  QARAX_CHECK(could_fit({input.name, input.hypervisor, input.spec}, store_.hosts()));
  for (const VmPtr& vm : store_.vms())
    if (vm->name == input.name)
      return make_error(Code::already_exists,
                        "there is a VM named " + input.name + " already; names are unique: choose another one",
                        "name-taken");
  VmRecord vm;
  vm.name = input.name;
  vm.hypervisor = input.hypervisor;
  vm.boot_source_id = input.boot_source_id;
  vm.spec = input.spec;
  Foreseen foreseen;
  foreseen.action = "create";
  return start_of(vm, std::move(foreseen), false);
}

Result<Foreseen> Foresight::edit_vm(const Edit& edit) const {
  const VmPtr before = store_.vm(edit.id);
  QARAX_TRY(const VmPtr after, editor_.edit_vm({edit.id, edit.patch, edit.expected_version, true}));
  Foreseen foreseen;
  foreseen.action = "edit";
  const bool same_machine = before && before->revision == after->revision;
  foreseen.changes = !same_machine || !before || before->name != after->name ||
                     before->description != after->description || before->tags != after->tags ||
                     before->restart.policy != after->restart.policy || before->restart.limit != after->restart.limit;
  if (same_machine) return foreseen;
  return start_of(*after, std::move(foreseen), false);
}

Result<Foreseen> Foresight::act(const std::string& vm_id, core::Action action, bool forget) const {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return make_error(Code::not_found, "there is no VM " + vm_id, "vm-not-found");
  if (action == core::Action::resize || action == core::Action::snapshot || action == core::Action::restore ||
      action == core::Action::drop_snapshot)
    return make_error(Code::unimplemented,
                      "there is no dry run of " + std::string(core::to_string(action)) + "; nothing was changed",
                      "not-implemented");
  Foreseen foreseen;
  foreseen.action = core::to_string(action);
  const VmState state = vm->observed.status.state;
  if (!vm->job_id.empty()) {
    for (const JobRecord& job : store_.unfinished_jobs()) {
      if (job.id != vm->job_id) continue;
      if (core::precedence(action) <= core::precedence(job.action)) {
        Error error = make_error(Code::aborted,
                                 "VM " + vm->name + " is busy with " + vm->activity + " (job " + job.id +
                                     "); ask again when it has finished",
                                 "job-in-progress");
        error.details.push_back({"/job_id", job.id});
        return error;
      }
      foreseen.notes.push_back("it would take the place of job " + job.id + ", a " +
                               std::string(core::to_string(job.action)));
    }
  } else {
    const auto verdict = core::judge(action, state);
    if (verdict == core::Verdict::refuse) return core::refusal(action, state, vm->name);
    foreseen.changes = verdict != core::Verdict::no_change;
    if (!foreseen.changes) return foreseen;
  }
  if (action == core::Action::start) return start_of(*vm, std::move(foreseen), true);
  const auto link = vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
  const bool reachable = link && link->is_up();
  if (action == core::Action::remove) {
    if (vm->host_id && !reachable && !forget) {
      Error error = unreachable(*vm, store_);
      error.hint = "DELETE with ?forget=true removes the record now; the node deletes the VM when it is back";
      return error;
    }
    if (may_run(state)) foreseen.notes.push_back("it is " + std::string(to_string(state)) + " and would be killed");
    if (vm->host_id && !reachable) foreseen.notes.push_back("a tombstone would stay until its node returns");
    return foreseen;
  }
  if (!reachable) return unreachable(*vm, store_);
  return foreseen;
}

Result<Foreseen> Foresight::add_host(const NewHostInput& input) const {
  Foreseen foreseen;
  foreseen.action = "add-host";
  for (const HostPtr& host : store_.hosts()) {
    if (host->name == input.name)
      return make_error(Code::already_exists, "there is a host named " + input.name + " already; choose another name",
                        "name-taken");
    if (host->address == input.address && host->port == input.port)
      foreseen.notes.push_back("host " + host->name + " has this address and port already; one node is one host");
  }
  foreseen.notes.emplace_back("whether its node answers isn't tried");
  return foreseen;
}

Result<Foreseen> Foresight::edit_host(const Edit& edit) const {
  const HostPtr before = store_.host(edit.id);
  QARAX_TRY(const HostPtr after, editor_.edit_host({edit.id, edit.patch, edit.expected_version, true}));
  Foreseen foreseen;
  foreseen.action = "edit-host";
  const bool moves = before && (before->address != after->address || before->port != after->port);
  foreseen.changes = moves || (before && (before->name != after->name || before->host_user != after->host_user));
  if (moves) foreseen.notes.emplace_back("its VMs would be unknown until its node answers at the new address");
  return foreseen;
}

Result<Foreseen> Foresight::remove_host(const Edit& edit) const {
  QARAX_CHECK(editor_.remove_host(edit.id, edit.expected_version, true));
  Foreseen foreseen;
  foreseen.action = "remove-host";
  if (const std::size_t left = store_.tombstones(edit.id).size(); left > 0)
    foreseen.notes.push_back("the tombstones of " + std::to_string(left) + " forgotten VMs would go with it");
  return foreseen;
}

}  // namespace qarax::server
