// The agent's end: what is under way gets a moment, and what hasn't ended by then is left to the next agent.
#include "agents_end.hpp"

#include "manager.hpp"
#include "patience.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

Error agent_is_ending() { return make_error(Code::unavailable, "the node agent is shutting down", "node-unreachable"); }

void Manager::shutdown(std::int64_t grace_ms) {
  std::vector<VmPtr> all;
  {
    const std::lock_guard lock(vms_mutex_);
    closed_ = true;
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  if (in_flight_.are_none_within(grace_ms)) return;
  for (const VmPtr& vm : all) {
    const std::lock_guard admission(vm->admission_mutex);
    for (const auto& operation : vm->pending) operation->give_up();
  }
  if (in_flight_.are_none_within(kCancelledMs)) return;
  // A plugin call that hangs delays neither its caller nor the agent's end. The next recovery finds what it did.
  for (const VmPtr& vm : all) {
    std::vector<OperationPtr> left;
    {
      const std::lock_guard admission(vm->admission_mutex);
      left = vm->pending;
    }
    for (const auto& operation : left) operation->answer({reports_.last(vm->known), agent_is_ending()});
  }
}

// The server keeps a job open that is answered so, and asks for it again. What hadn't begun is then carried out as if
// it came for the first time. What had has an intent without a result, as after kill -9: a stop is carried on by the
// next agent, and of anything else its caller hears that it was interrupted.
void Manager::put_off(const VmPtr& vm, const OperationPtr& operation) {
  core::logger("vm")->warn("{} is left to the next agent vm={} request={}", core::to_string(operation->command.action),
                           vm->id, operation->command.request_id);
  operation->turn.reset();  // its callers may keep the operation for longer than the gate is there
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (vm->running == operation) vm->running = nullptr;
  }
  finish(vm, operation, {reports_.last(vm->known), agent_is_ending()});
}

}  // namespace qarax::agent
