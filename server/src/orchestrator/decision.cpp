#include "decision.hpp"

#include "able.hpp"
#include "refusals.hpp"

namespace qarax::server {

Result<Decision> decide(const VmRecord& vm, core::Action action, const ActOptions& options, const StoreReads& store,
                        const Fleet& nodes, Promises* promises) {
  if (options.expected_version && vm.version != *options.expected_version) return overtaken("VM", vm.name);
  const bool is_busy = !vm.job_id.empty();
  const VmState state = vm.observed.status.state;
  const auto verdict = core::judge(action, state);
  // The situation that the policy reacted to is over, and nobody asked for this action.
  if (options.origin == Origin::policy && (is_busy || verdict != core::Verdict::proceed))
    return changed_meanwhile(vm.name);
  Decision out;
  // While a job is under way the VM's state is about to change; the store decides whether this action may supersede
  // that job.
  if (!is_busy) {
    out.kind = Decision::Kind::no_change;
    if (verdict == core::Verdict::no_change) return out;
    if (verdict == core::Verdict::refuse) return refusal_of(vm, action, store, nodes);
  }
  if (action == core::Action::resize) {
    QARAX_CHECK(check_size(vm, options.arguments.resize, store));
    out.kind = Decision::Kind::resize_idle;
    if (!is_busy && (state == VmState::created || state == VmState::shutdown)) return out;
  }
  out.kind = Decision::Kind::job;
  BeginJob& job = out.job;
  job.vm_id = vm.id;
  job.action = action;
  job.expected_revision = vm.revision;
  job.request_id = options.request_id;
  job.arguments = options.arguments;
  job.origin = options.origin;
  job.expected_version = options.expected_version;
  if (core::begins(action)) {
    QARAX_TRY(const VmSpec spec, spec_to_begin(vm, action, options.arguments, store));
    if (!is_busy) {
      if (promises != nullptr) {
        QARAX_TRY(auto promised, promises->place([&] { return choice_for(vm, spec, store, nodes); }));
        job.placement = std::move(promised.placement);
        out.promise = std::move(promised.kept);
      } else {
        QARAX_TRY(job.placement, place_vm(vm, spec, store, nodes));
      }
    }
  } else if (!is_reachable(vm, nodes)) {
    return unreachable(vm, store);
  }
  QARAX_CHECK(check_able(vm, action, store, nodes));
  if (action == core::Action::resize)
    if (const HostPtr host = vm.host_id ? store.host(*vm.host_id) : nullptr; host && host->info)
      job.capacity = host->info->memory;
  return out;
}

Result<std::optional<Removal>> decide_removal(const VmRecord& vm, bool forget, const ActOptions& options,
                                              const StoreReads& store, const Fleet& nodes) {
  if (vm.host_id && is_reachable(vm, nodes)) return std::optional<Removal>();
  if (options.expected_version && vm.version != *options.expected_version) return overtaken("VM", vm.name);
  if (!vm.host_id) return std::optional(Removal::never_placed);
  if (forget) return std::optional(Removal::with_tombstone);
  Error error = unreachable(vm, store);
  error.hint = "DELETE with ?forget=true removes the record now; the node deletes the VM when it is back";
  return error;
}

bool lost_race(const Error& error) {
  return error.reason == "changed" || (error.reason == "no-host-fits" && error.code == Code::resource_exhausted);
}

}  // namespace qarax::server
