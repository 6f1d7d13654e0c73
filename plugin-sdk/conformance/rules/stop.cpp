// HV-STOP: how a VM ends.
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status stops(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop"));
  const auto process = vm.process();
  QARAX_CHECK(expect(!process || !process->alive, "stop returned shutdown and its process runs on"));
  return expect_state(vm.inspect(), VmState::shutdown, "inspect after stop");
}

Status stops_ten_times(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  for (int i = 1; i <= 10; ++i)
    QARAX_CHECK(expect_state(vm.stop(i % 2 == 0 ? StopMode::graceful : StopMode::force, 1000), VmState::shutdown,
                             "stop number " + std::to_string(i)));
  return Ok{};
}

Status stops_what_never_ran(Agent& agent) {
  Vm vm = agent.vm();
  QARAX_CHECK(vm.start_args());  // creates the run folder, as a failed start leaves it
  return expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop of a VM that never ran, without a handle,");
}

// The guest may not react to the power button, as it is still booting or there is no guest.
Status kills_in_the_end(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const std::int64_t from = plugin::monotonic_ns();
  QARAX_CHECK(expect_state(vm.stop(StopMode::graceful, 300), VmState::shutdown, "a graceful stop with 300 ms"));
  const auto process = vm.process();
  QARAX_CHECK(expect(!process || !process->alive, "a graceful stop returned shutdown and its process runs on"));
  const std::int64_t took = (plugin::monotonic_ns() - from) / 1'000'000;
  return expect(took < 300 + agent.at_once_ms() * 2,
                "a graceful stop with 300 ms took " + std::to_string(took) + " ms");
}

}  // namespace

Rules stop_rules() {
  return {
      {"HV-STOP-01", QARAX_HYPERVISOR_1, "force-stop returns shutdown, no process is left, inspect agrees", stops},
      {"HV-STOP-02", QARAX_HYPERVISOR_1, "stopped ten times is stopped", stops_ten_times},
      {"HV-STOP-03", QARAX_HYPERVISOR_1, "a VM that never ran, without a handle, can be stopped", stops_what_never_ran},
      {"HV-STOP-04", QARAX_HYPERVISOR_1, "a graceful stop kills when the guest's time is up", kills_in_the_end},
  };
}

}  // namespace qarax::conformance
