#include "able.hpp"

#include "action_facts.hpp"
#include "capabilities.hpp"
#include "job_waiters.hpp"
#include "placing.hpp"
#include "qarax/core/enum_name.hpp"
#include "refusals.hpp"
#include "scheduler.hpp"

namespace qarax::server {

namespace {

Error bad_size(std::string pointer, const std::string& why) {
  Error error = make_error(Code::invalid_argument, pointer + ": " + why, "validation");
  error.details.push_back({std::move(pointer), why});
  return error;
}

}  // namespace

Status check_able(const VmRecord& vm, core::Action action, const StoreReads& store, const Fleet& nodes) {
  return check_able(vm, facts_of(action).capability, facts_of(action).feature, store, nodes);
}

Status check_able(const VmRecord& vm, std::string_view capability, std::string_view feature, const StoreReads& store,
                  const Fleet& nodes) {
  const HostPtr host = vm.host_id ? store.host(*vm.host_id) : nullptr;
  if (!host) return Ok{};
  const std::string& hypervisor = vm.observed.hypervisor.empty() ? vm.hypervisor : vm.observed.hypervisor;
  if (!capability.empty() && host->info)
    if (Status able = check_capability(*host->info, host->name, hypervisor, capability); !able)
      return std::move(able).error().context("VM " + vm.name);
  const auto link = nodes.link(host->id);
  if (feature.empty() || !link || !link->is_up() || link->knows(feature)) return Ok{};
  return make_error(Code::unimplemented,
                    "the qarax-node of host " + host->name + (host->info ? ", " + host->info->version + "," : "") +
                        " is older than this server and doesn't know the feature " + std::string(feature),
                    "node-outdated");
}

Status check_writable(const StoreReads& store) {
  const std::string why = store.read_only();
  if (why.empty()) return Ok{};
  return read_only(why);
}

Error refusal_of(const VmRecord& vm, core::Action action, const StoreReads& store, const Fleet& nodes) {
  const VmState state = vm.observed.status.state;
  if (state == VmState::unknown && action != core::Action::start && vm.host_id && !is_reachable(vm, nodes))
    return unreachable(vm, store);
  Error error = core::refusal(action, state, vm.name);
  const HostPtr host = vm.host_id ? store.host(*vm.host_id) : nullptr;
  if (action != core::Action::start || state != VmState::unknown || !host) return error;
  error.message = "VM " + vm.name + " may still run on host " + host->name + ": it is unknown since " +
                  vm.observed.unknown_since + " (" + vm.observed.status.status_reason +
                  "). A second start could run it twice";
  error.hint = "Bring its host back, or force-stop or delete it there.";
  return error;
}

Status check_size(const VmRecord& vm, const core::ResizeCommand& size, const StoreReads& store) {
  if (size.vcpus && *size.vcpus > vm.spec.max_vcpus)
    return bad_size("/desired_vcpus", std::to_string(*size.vcpus) + " is above max_vcpus, which is " +
                                          std::to_string(vm.spec.max_vcpus) + " for VM " + vm.name);
  if (!size.memory) return Ok{};
  const std::int64_t page = vm.spec.memory_hugepage_size.value_or(0);
  if (page > 0 && *size.memory % page != 0)
    return bad_size("/desired_ram", "is not a multiple of memory_hugepage_size, which is " + std::to_string(page));
  if (*size.memory <= vm.spec.memory_size) return Ok{};  // what shrinks fits where it was
  VmSpec wanted = vm.spec;
  wanted.memory_size = *size.memory;
  wanted.max_vcpus = 0;  // isn't resized, so it isn't judged
  std::vector<HostPtr> hosts;
  for (const HostPtr& host : store.hosts())
    if (!vm.host_id || host->id == *vm.host_id) hosts.push_back(host);
  // A VM keeps the hypervisor that its first start resolved it for.
  const bool is_frozen = vm.resolved && !vm.observed.hypervisor.empty();
  Status fits = could_have_size({vm.name, is_frozen ? vm.observed.hypervisor : vm.hypervisor, wanted}, hosts);
  // Point to the members of this request; a pointer to a member that it doesn't have helps nobody.
  if (!fits)
    for (ErrorDetail& detail : fits.error().details)
      detail.pointer = detail.pointer == "/memory_size" ? "/desired_ram" : "";
  return fits;
}

Result<VmSpec> spec_to_begin(const VmRecord& vm, core::Action action, const JobArguments& arguments,
                             const StoreReads& store) {
  if (action == core::Action::start) return vm.spec;
  const SnapshotPtr snapshot = store.snapshot(arguments.snapshot);
  if (!snapshot || snapshot->vm_id != vm.id) return no_such_snapshot(vm.name, arguments.snapshot);
  return snapshot->spec;
}

Error has_ended(const Job& job) {
  return with_job(make_error(Code::failed_precondition,
                             "job " + job.id + ", the " + job.action +
                                 (job.vm_name.empty() ? std::string() : " of VM " + job.vm_name) +
                                 ", has ended already: it is " + std::string(core::enum_name(job.state)),
                             "job-finished"),
                  job.id);
}

Result<JobPtr> check_cancel(const std::string& job_id, Store& store, const Fleet& nodes) {
  QARAX_TRY(JobPtr job, store.job(job_id));
  if (!job) return no_such_job(job_id);
  if (job->state != JobState::running) return has_ended(*job);
  if (!can_be_cancelled(*job))
    return with_job(make_error(Code::failed_precondition,
                               "job " + job_id + " can't be cancelled: a " + job->action +
                                   " is done in a moment, or can't be undone",
                               "not-cancellable"),
                    job_id);
  const VmPtr vm = store.vm(job->vm_id);
  if (vm && !is_reachable(*vm, nodes)) return with_job(unreachable(*vm, store), job_id);
  return job;
}

}  // namespace qarax::server
