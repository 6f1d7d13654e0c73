#include "restart.hpp"

#include "records.hpp"

namespace qarax::server {

bool wants_restart(const VmRecord& vm) {
  const Restart& restart = vm.restart;
  if (restart.policy == RestartPolicy::never || !vm.job_id.empty()) return false;
  if (vm.observed.status.state != VmState::shutdown) return false;
  if (restart.limit > 0 && restart.count >= restart.limit) return false;
  if (vm.desired.state == VmState::running) return true;
  // A guest that powers itself off changes the desired state, which `always` overrules; a user's stop overrules every
  // policy.
  return restart.policy == RestartPolicy::always && vm.desired.state == VmState::shutdown &&
         vm.desired.origin == Origin::guest;
}

bool drifts(const VmRecord& vm) {
  const VmState seen = vm.observed.status.state;
  if (!vm.job_id.empty() || !vm.activity.empty() || seen == VmState::unknown) return false;
  const auto is_off = [](VmState state) { return state == VmState::created || state == VmState::shutdown; };
  return seen != vm.desired.state && !(is_off(seen) && is_off(vm.desired.state));
}

}  // namespace qarax::server
