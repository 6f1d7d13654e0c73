// Whether a VM's host can do what is asked, and where a VM that begins goes: asked before anything is recorded.
#include "capabilities.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

namespace {

Error bad_size(std::string pointer, const std::string& why) {
  Error error = make_error(Code::invalid_argument, pointer + ": " + why, "validation");
  error.details.push_back({std::move(pointer), why});
  return error;
}

}  // namespace

// No statement where the host or its plugins aren't known: its node will say.
Status Orchestrator::check_able(const VmRecord& vm, std::optional<std::string_view> capability,
                                std::optional<std::string_view> feature) const {
  const HostPtr host = vm.host_id ? store_.host(*vm.host_id) : nullptr;
  if (!host) return Ok{};
  const std::string& hypervisor = vm.observed.hypervisor.empty() ? vm.hypervisor : vm.observed.hypervisor;
  if (capability && host->info)
    if (Status able = check_capability(*host->info, host->name, hypervisor, *capability); !able)
      return std::move(able).error().context("VM " + vm.name);
  const auto link = nodes_.link(host->id);
  if (!feature || !link || !link->is_up() || link->knows(*feature)) return Ok{};
  return make_error(Code::unimplemented,
                    "the qarax-node of host " + host->name + (host->info ? ", " + host->info->version + "," : "") +
                        " is older than this server and doesn't know the feature " + std::string(*feature),
                    "node-outdated");
}

Status Orchestrator::check_size(const VmRecord& vm, const core::ResizeCommand& size) const {
  if (size.vcpus && *size.vcpus > vm.spec.max_vcpus)
    return bad_size("/desired_vcpus", std::to_string(*size.vcpus) + " is above max_vcpus, which is " +
                                          std::to_string(vm.spec.max_vcpus) + " for VM " + vm.name);
  if (!size.memory) return Ok{};
  const std::int64_t page = vm.spec.memory_hugepage_size.value_or(0);
  if (page > 0 && *size.memory % page != 0)
    return bad_size("/desired_ram", "is not a multiple of memory_hugepage_size, which is " + std::to_string(page));
  VmSpec wanted = vm.spec;
  wanted.memory_size = *size.memory;
  std::vector<HostPtr> hosts;
  for (const HostPtr& host : store_.hosts())
    if (!vm.host_id || host->id == *vm.host_id) hosts.push_back(host);
  return could_fit({vm.name, vm.hypervisor, wanted}, hosts);
}

// What a start or restore begins with: the VM's own, or the snapshot's.
Result<VmSpec> Orchestrator::spec_to_begin(const VmRecord& vm, const BeginJob& job) const {
  if (job.action == core::Action::start) return vm.spec;
  const SnapshotPtr snapshot = store_.snapshot(job.arguments.snapshot);
  if (!snapshot || snapshot->vm_id != vm.id)
    return make_error(Code::not_found, "VM " + vm.name + " has no snapshot " + job.arguments.snapshot,
                      "snapshot-not-found");
  return snapshot->spec;
}

Result<Counters> Orchestrator::counters(const std::string& vm_id) {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return make_error(Code::not_found, "there is no VM " + vm_id, "vm-not-found");
  const VmState state = vm->observed.status.state;
  if (state == VmState::created || state == VmState::shutdown)
    return make_error(Code::failed_precondition,
                      "VM " + vm->name + " is " + std::string(to_string(state)) +
                          "; only a VMM that runs counts anything. Start it first.",
                      "wrong-state");
  const auto link = vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
  if (!link || !link->is_up()) return unreachable(*vm);
  QARAX_CHECK(check_able(*vm, "counters", core::kFeatureCounters));
  return link->counters(vm_id, options_.counters_timeout_ms);
}

}  // namespace qarax::server
