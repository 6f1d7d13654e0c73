#include "driver_calls.hpp"

#include "qarax/core/lifecycle.hpp"

namespace qarax::agent {

DriverCall call_for(const std::shared_ptr<Vm>& vm, const CallLimits& limits, const std::string& request_id) {
  DriverCall call;
  call.deadline_ns = limits.deadline_ns;
  call.cancel_fd = limits.cancel_fd;
  call.request_id = request_id;
  call.keep = [vm](std::string_view handle) { return vm->folder.write_handle(handle); };
  return call;
}

DriverCall call_for(const std::shared_ptr<Vm>& vm, const Command& command, int cancel_fd, ProgressFeed& progress) {
  DriverCall call = call_for(vm, {command.deadline_ns, cancel_fd}, command.request_id);
  call.progress = progress.of(vm->id, command.revision);
  return call;
}

DriverCall call_to_undo(const std::shared_ptr<Vm>& vm, std::int64_t limit_ms) {
  return call_for(vm, CallLimits{}.within_ms(limit_ms));
}

Result<VmArgs> args_for(const Vm& vm, const ProcessService& processes) {
  VmArgs args;
  args.vm = vm.id;
  args.incarnation = vm.document.incarnation;
  args.run_dir = processes.run_dir(vm.id, vm.document.incarnation);
  QARAX_TRY(args.handle, vm.folder.read_handle());
  return args;
}

Status check_arrival(const Command& command, const VmStatus& said) {
  const VmState wanted = core::target(command.action).value_or(VmState::shutdown);
  if (said.state == wanted) return Ok{};
  // The guest may power off at the same moment.
  if (said.state == VmState::shutdown) return core::refusal(command.action, said.state, command.vm);
  return make_error(Code::internal,
                    "the plugin says that VM " + command.vm + " is " + std::string(to_string(said.state)) +
                        " after its " + std::string(core::to_string(command.action)),
                    "vmm-failed");
}

}  // namespace qarax::agent
