// REBOOT: qarax.hypervisor.reboot/1.
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status reboots(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  for (int i = 0; i < 2; ++i) {
    QARAX_CHECK(expect_state(vm.call(&Hypervisor::reboot), VmState::running, "reboot"));
    QARAX_CHECK(expect_state(vm.inspect(), VmState::running, "inspect after reboot"));
  }
  return expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop after reboot");
}

Status reboot_refuses_what_has_ended(Agent& agent) {
  QARAX_TRY(Vm vm, agent.ended());
  return expect_failed_precondition(vm.call(&Hypervisor::reboot), "reboot of a VM that has ended");
}

}  // namespace

Rules reboot_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_REBOOT_1;
  return {
      {"REBOOT-01", kId, "reboot leaves the VM running, twice", reboots},
      {"REBOOT-02", kId, "a VM that has ended is failed_precondition", reboot_refuses_what_has_ended},
  };
}

}  // namespace qarax::conformance
