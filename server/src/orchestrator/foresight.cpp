#include "foresight.hpp"

#include "able.hpp"
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
  QARAX_CHECK(check_writable(store_));
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

// Room, names, other jobs: what the store would say if it were recorded now.
Status Foresight::ask_store(const VmRecord& vm, core::Action action, const JobArguments& arguments,
                            const std::optional<Placement>& placement) const {
  BeginJob job;
  job.vm_id = vm.id;
  job.action = action;
  job.expected_revision = vm.revision;
  job.arguments = arguments;
  job.placement = placement;
  if (const HostPtr host = vm.host_id ? store_.host(*vm.host_id) : nullptr; host && host->info)
    job.capacity = host->info->memory;
  job.only_check = true;
  if (const auto checked = store_.begin_job(job); !checked) return checked.error();
  return Ok{};
}

Result<Foreseen> Foresight::resize_of(const VmRecord& vm, const JobArguments& arguments, Foreseen foreseen) const {
  const core::ResizeCommand& size = arguments.resize;
  QARAX_CHECK(check_size(vm, size, store_));
  VmRecord after = vm;
  for (VmSpec* spec : {&after.spec, after.resolved ? &*after.resolved : nullptr}) {
    if (spec == nullptr) continue;
    spec->boot_vcpus = size.vcpus.value_or(spec->boot_vcpus);
    spec->memory_size = size.memory.value_or(spec->memory_size);
  }
  foreseen.changes = encode(after.spec) != encode(vm.spec);
  if (!may_run(vm.observed.status.state)) {
    foreseen.notes.emplace_back("it holds from the next start on");
    return start_of(after, std::move(foreseen), false);
  }
  if (!is_reachable(vm, nodes_)) return unreachable(vm, store_);
  QARAX_CHECK(check_able(vm, core::Action::resize, store_, nodes_));
  QARAX_CHECK(ask_store(vm, core::Action::resize, arguments, std::nullopt));
  foreseen.notes.emplace_back("whether the VMM that runs can take this very size isn't tried");
  return foreseen;
}

// Takes one, or deletes one.
Result<Foreseen> Foresight::snapshot_of(const VmRecord& vm, core::Action action, JobArguments arguments,
                                        Foreseen foreseen) const {
  if (!is_reachable(vm, nodes_)) return unreachable(vm, store_);
  QARAX_CHECK(check_able(vm, action, store_, nodes_));
  QARAX_CHECK(ask_store(vm, action, arguments, std::nullopt));
  if (action == core::Action::snapshot)
    foreseen.notes.emplace_back("whether its host's disk has room for the VM's memory isn't tried");
  return foreseen;
}

Result<Foreseen> Foresight::restore_of(const VmRecord& vm, const JobArguments& arguments, Foreseen foreseen) const {
  QARAX_TRY(const VmSpec spec, spec_to_begin(vm, core::Action::restore, arguments, store_));
  QARAX_TRY(foreseen.placement, place_vm(vm, spec, store_, nodes_));
  QARAX_CHECK(check_able(vm, core::Action::restore, store_, nodes_));
  QARAX_CHECK(ask_store(vm, core::Action::restore, arguments, foreseen.placement));
  if (const SnapshotPtr snapshot = store_.snapshot(arguments.snapshot)) foreseen.resolved = snapshot->resolved;
  foreseen.notes.emplace_back("the VM would have the snapshot's sizes and machine, and go on where it left off");
  return foreseen;
}

Result<Foreseen> Foresight::act(const std::string& vm_id, core::Action action, bool forget,
                                const JobArguments& arguments) const {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return make_error(Code::not_found, "there is no VM " + vm_id, "vm-not-found");
  QARAX_CHECK(check_writable(store_));
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
    if (verdict == core::Verdict::refuse) return refusal_of(*vm, action, store_);
    foreseen.changes = verdict != core::Verdict::no_change;
    if (!foreseen.changes) return foreseen;
  }
  switch (action) {
    case core::Action::start:
      return start_of(*vm, std::move(foreseen), true);
    case core::Action::resize:
      return resize_of(*vm, arguments, std::move(foreseen));
    case core::Action::snapshot:
    case core::Action::drop_snapshot:
      return snapshot_of(*vm, action, arguments, std::move(foreseen));
    case core::Action::restore:
      return restore_of(*vm, arguments, std::move(foreseen));
    default:
      break;
  }
  const bool reachable = is_reachable(*vm, nodes_);
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
  QARAX_CHECK(check_able(*vm, action, store_, nodes_));
  return foreseen;
}

Result<Foreseen> Foresight::add_host(const NewHostInput& input) const {
  QARAX_CHECK(check_writable(store_));
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

Result<Foreseen> Foresight::init_host(const std::string& id) const {
  const HostPtr host = store_.host(id);
  if (!host) return make_error(Code::not_found, "there is no host " + id, "host-not-found");
  Foreseen foreseen;
  foreseen.action = "init-host";
  foreseen.changes = host->status != HostStatus::up;
  if (foreseen.changes) foreseen.notes.emplace_back("whether its node answers isn't tried");
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

Result<Foreseen> Foresight::remove_host(RemoveHost asked) const {
  asked.only_check = true;
  QARAX_CHECK(editor_.remove_host(asked));
  Foreseen foreseen;
  foreseen.action = "remove-host";
  for (const VmPtr& vm : store_.vms())
    if (vm->host_id == asked.host_id)
      foreseen.notes.push_back("VM " + vm->name + " would be forgotten, which is " +
                               std::string(to_string(vm->observed.status.state)));
  if (const HostPtr host = store_.host(asked.host_id); host && !host->needs_adopt.empty())
    foreseen.notes.emplace_back("what it knows of later states of this database would be lost with it");
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
