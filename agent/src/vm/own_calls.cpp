#include "own_calls.hpp"

#include <utility>

#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"
#include "steps.hpp"

namespace qarax::agent {

OwnCalls::OwnCall::OwnCall(OwnCalls& calls, std::shared_ptr<Vm> vm, std::int64_t limit_ms)
    : calls_(calls), vm_(std::move(vm)), deadline_ns_(plugin::monotonic_ns() + limit_ms * 1'000'000) {
  {
    const std::lock_guard admission(vm_->admission_mutex);
    vm_->own_call = cancel_;
  }
  late_ = calls_.timers_.at(deadline_ns_ + calls_.grace_ms_ * 1'000'000,
                            [&calls, vm = vm_, call = cancel_] { calls.doubt(vm, call); });
}

OwnCalls::OwnCall::~OwnCall() {
  calls_.timers_.forget(late_);
  const std::lock_guard admission(vm_->admission_mutex);
  vm_->own_call = nullptr;
}

DriverCall OwnCalls::OwnCall::call() const { return call_for(vm_, {deadline_ns_, cancel_->fd()}); }

// Runs once the strand's own plugin call is past its deadline and grace. An answer that comes later is still reported.
void OwnCalls::doubt(const std::shared_ptr<Vm>& vm, const std::shared_ptr<const Cancel>& call) {
  const std::lock_guard admission(vm->admission_mutex);
  if (vm->own_call != call || vm->running || vm->dead) return;  // a command has a deadline of its own
  const VmStatus status = status_with(
      VmState::unknown,
      "its hypervisor's plugin doesn't answer when it is asked about the VM; it is asked again now and then, "
      "and a VM that stays so can be force-stopped or deleted");
  if (const auto report = reports_.publish_doubt(vm->known, vm->revision, status))
    core::logger("vm")->error("a plugin doesn't answer, the VM is unknown vm={} hypervisor={}", vm->id,
                              report->hypervisor);
}

}  // namespace qarax::agent
