// CloudHypervisor's part that says how a VM ended, and ends one: by a stop, after the agent's restart where its start
// was broken off, and where somebody else ended its guest over the VMM's API.
#include "cloud_hypervisor.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

Result<VmStatus> CloudHypervisor::end_empty_vmm(plugin::Call& call, const VmArgs& args, const Handle& handle,
                                                const std::string& why) {
  {
    // Before the kill: whoever watches the process asks at once what ended it.
    const std::lock_guard lock(emptied_mutex_);
    emptied_[args.vm] = {args.incarnation, why};
  }
  QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  return end_of(args, process, handle);
}

VmStatus CloudHypervisor::end_of(const VmArgs& args, const Process& process, const Handle& handle) {
  VmStatus status = ended(process, &handle);
  name_why_empty(args, status);
  return status;
}

void CloudHypervisor::name_why_empty(const VmArgs& args, VmStatus& ended) {
  const std::lock_guard lock(emptied_mutex_);
  const auto emptied = emptied_.find(args.vm);
  if (emptied != emptied_.end() && emptied->second.incarnation == args.incarnation)
    ended.status_reason = emptied->second.why;
}

void CloudHypervisor::forget_why_empty(const std::string& vm) {
  const std::lock_guard lock(emptied_mutex_);
  emptied_.erase(vm);
}

Result<VmStatus> CloudHypervisor::recover(plugin::Call& call, const VmArgs& args) {
  if (args.handle.text != "null") {
    QARAX_TRY(Handle handle, read_handle(args));
    const auto process = host_.find(&call, {args.vm, args.incarnation});
    const Code found = process ? Code::ok : process.error().code;
    if (found != Code::ok && found != Code::not_found && found != Code::unavailable) return process.error();
    if (found == Code::ok) {
      if (!process->alive) return end_of(args, *process, handle);
      const auto said = api(args.run_dir).info(call);
      if (said && !runs_no_guest(said) && !handle.booted) {
        // The agent ended before it was noted, or an older plugin booted it.
        handle.booted = true;
        QARAX_CHECK(call.keep(encode(handle)));
      }
      if (handle.booted || !runs_no_guest(said)) return look(call, args, handle);
    }
  }
  // The start was broken off before the guest ran a single instruction: it is undone.
  return plugin::undo_interrupted_start(host_, kind(), call, args);
}

Result<VmStatus> CloudHypervisor::stop(plugin::Call& call, const StopArgs& args) {
  const ApiClient asked = api(args.vm.run_dir);
  const auto handle = read_handle(args.vm);
  QARAX_CHECK(plugin::may_stop(args, handle));
  // No guest is left that could hear the button.
  if (args.mode == StopMode::graceful && handle && handle->booted && runs_no_guest(asked.info(call)))
    return look(call, args.vm, *handle);
  const plugin::PowerButton button{[&] { return asked.state(call); }, "Running",
                                   [&] { return asked.power_button(call); }};
  QARAX_TRY(VmStatus status, plugin::stop_vmm(host_, kind(), call, args, button));
  // A VM without a handle has to be endable too.
  if (handle && status.exit) {
    status.accelerator = "kvm";
    status.accelerator_evidence = handle->evidence;
  }
  name_why_empty(args.vm, status);
  // As in its delete: nobody asks of this one again.
  if (args.mode == StopMode::force) forget_why_empty(args.vm.vm);
  return status;
}

}  // namespace qarax::cloud_hypervisor
