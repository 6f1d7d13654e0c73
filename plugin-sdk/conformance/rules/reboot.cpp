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

Status refuses_what_has_ended(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop"));
  const auto said = vm.call(&Hypervisor::reboot);
  if (said) return broken("a VM that has ended was rebooted and is " + std::string(to_string(said->state)));
  return expect(said.error().code == Code::failed_precondition,
                "reboot of a VM that has ended is " + std::string(to_string(said.error().code)) +
                    ", not failed_precondition: " + said.error().message);
}

}  // namespace

Rules reboot_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_REBOOT_1;
  return {
      {"REBOOT-01", kId, "reboot leaves the VM running, twice", reboots},
      {"REBOOT-02", kId, "a VM that has ended is failed_precondition", refuses_what_has_ended},
  };
}

}  // namespace qarax::conformance
