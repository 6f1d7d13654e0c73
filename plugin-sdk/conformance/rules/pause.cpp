// PAUSE: qarax.hypervisor.pause/1.
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Result<Vm> paused(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(expect_state(vm.call(&Hypervisor::pause), VmState::paused, "pause"));
  return vm;
}

Status pauses_and_resumes(Agent& agent) {
  QARAX_TRY(Vm vm, paused(agent));
  QARAX_CHECK(expect_state(vm.inspect(), VmState::paused, "inspect after pause"));
  QARAX_CHECK(expect_state(vm.call(&Hypervisor::resume), VmState::running, "resume"));
  return expect_state(vm.inspect(), VmState::running, "inspect after resume");
}

Status twice_is_success(Agent& agent) {
  QARAX_TRY(Vm vm, paused(agent));
  QARAX_CHECK(expect_state(vm.call(&Hypervisor::pause), VmState::paused, "a second pause"));
  QARAX_CHECK(expect_state(vm.call(&Hypervisor::resume), VmState::running, "resume"));
  return expect_state(vm.call(&Hypervisor::resume), VmState::running, "a second resume");
}

// A paused guest can't react to the power button, so the stop must not wait for it.
Status stops_while_paused(Agent& agent) {
  QARAX_TRY(Vm vm, paused(agent));
  const std::int64_t from = plugin::monotonic_ns();
  QARAX_CHECK(expect_state(vm.stop(StopMode::graceful, 20'000), VmState::shutdown, "a graceful stop while paused"));
  const std::int64_t ms = (plugin::monotonic_ns() - from) / 1'000'000;
  return expect(ms < agent.at_once_ms() * 2, "a graceful stop while paused took " + std::to_string(ms) + " ms");
}

Status pause_refuses_what_has_ended(Agent& agent) {
  QARAX_TRY(Vm vm, agent.ended());
  QARAX_CHECK(expect_failed_precondition(vm.call(&Hypervisor::pause), "pause of a VM that has ended"));
  return expect_failed_precondition(vm.call(&Hypervisor::resume), "resume of a VM that has ended");
}

Status stays_paused(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    QARAX_CHECK(paused(agent));
    return Ok{};
  };
  QARAX_CHECK(bench.agent(life));
  return bench.agent([](Agent& agent) -> Status {
    Vm vm = agent.vm();
    QARAX_CHECK(expect_state(vm.recover(), VmState::paused, "recover of a paused VM"));
    return expect_state(vm.call(&Hypervisor::resume), VmState::running, "resume after recover");
  });
}

}  // namespace

Rules pause_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_PAUSE_1;
  return {
      {"PAUSE-01", kId, "pause and resume do, and inspect agrees", pauses_and_resumes},
      {"PAUSE-02", kId, "pausing what is paused is success, and so is resuming what runs", twice_is_success},
      {"PAUSE-03", kId, "a graceful stop of a paused VM ends it at once", stops_while_paused},
      {"PAUSE-04", kId, "a VM that has ended is failed_precondition", pause_refuses_what_has_ended},
      {"PAUSE-05", kId, "paused stays paused while no agent is there", nullptr, stays_paused},
  };
}

}  // namespace qarax::conformance
