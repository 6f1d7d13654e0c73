// HV-RECOVER: an agent is killed and another takes over.
#include <poll.h>
#include <signal.h>

#include "pidfd.hpp"
#include "records.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status starts_and_dies(Agent& agent) {
  QARAX_CHECK(agent.started());
  Agent::die();
}

// The VMM of the first VM's first incarnation, read without an agent.
Result<agent::SupervisorRecord> vmm_of(const Bench& bench) {
  auto record = agent::read_supervisor_record(bench.place().vms() + "/" + bench.place().vm_ids[0] + "/run/1");
  if (!record) return skipped("its VMs have no process of their own");
  return record;
}

Status adopts(Bench& bench) {
  QARAX_CHECK(bench.dying_agent(starts_and_dies));
  const auto before = vmm_of(bench);
  return bench.agent([&](Agent& agent) -> Status {
    Vm vm = agent.vm();
    QARAX_CHECK(expect_state(vm.recover(), VmState::running, "recover of a running VM"));
    if (before)
      QARAX_CHECK(expect(agent::is_alive(before->vmm) && vm.process() && vm.process()->pid == before->vmm.pid,
                         "recover replaced the process of a VM that ran well"));
    QARAX_CHECK(expect_state(vm.recover(), VmState::running, "a second recover"));
    return expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop after recover");
  });
}

Status tells_of_one_that_ended(Bench& bench) {
  QARAX_CHECK(bench.dying_agent(starts_and_dies));
  QARAX_TRY(const auto record, vmm_of(bench));
  const core::Fd vmm = agent::open_pidfd(record.vmm);
  agent::send_signal(vmm, SIGKILL);
  pollfd ended{vmm.get(), POLLIN, 0};
  ::poll(&ended, 1, static_cast<int>(kCallMs));
  return bench.agent([](Agent& agent) -> Status {
    Vm vm = agent.vm();
    return expect_state(vm.recover(), VmState::shutdown, "recover of a VM that ended while no agent was there");
  });
}

Status finds_nothing(Agent& agent) {
  Vm vm = agent.vm();
  QARAX_CHECK(vm.start_args());
  return expect_state(vm.recover(), VmState::shutdown, "recover without a handle, of a VM of which nothing was made,");
}

// A new agent recovers an interrupted start. Adopted or undone, the VM can then be stopped and started, and leaves
// nothing.
Status settles(Bench& bench, const std::string& broken_off) {
  const Bench::Body life = [&](Agent& agent) -> Status {
    Vm vm = agent.vm();
    const auto recovered = vm.recover();
    if (!recovered)
      return broken("recover of a start that ended " + broken_off + " failed: " + recovered.error().message);
    if (recovered->state != VmState::running)
      QARAX_CHECK(expect_state(recovered, VmState::shutdown, "recover of a start that ended " + broken_off));
    const auto process = vm.process();
    const bool runs = process && process->alive;
    QARAX_CHECK(expect(!process || runs == (recovered->state == VmState::running),
                       "recover of a start that ended " + broken_off + " says " +
                           std::string(to_string(recovered->state)) + ", and its process " +
                           (runs ? "runs" : "has ended")));
    QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown,
                             "stop after recover of a start that ended " + broken_off));
    agent.clean_up(vm);
    Vm next = agent.vm(1, 2);
    next.keep_instead("null");
    QARAX_CHECK(expect_state(next.start(), VmState::running, "the next start after one that ended " + broken_off));
    QARAX_CHECK(expect_state(next.stop(StopMode::force), VmState::shutdown, "its stop"));
    agent.clean_up(next);
    next.keep_instead("null");
    return Ok{};
  };
  QARAX_CHECK(bench.agent(life));
  const auto left = bench.left();
  return expect(left.empty(), "a start that ended " + broken_off + " leaves " + listed(left));
}

Status survives_each_keep(Bench& bench) {
  constexpr int kMost = 16;
  for (int nth = 1; nth <= kMost; ++nth) {
    for (const bool on_disk : {false, true}) {
      const Bench::Body cut_short = [&](Agent& agent) -> Status {
        Vm vm = agent.vm();
        Ask ask;
        (on_disk ? ask.after_keep : ask.before_keep) = [nth](int which) {
          if (which == nth) Agent::die();
        };
        QARAX_CHECK(vm.start(ask));
        if (nth > 1) return expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop");
        return broken("start kept no handle");
      };
      QARAX_TRY(const bool died, bench.dying_agent(cut_short));
      if (!died) return Ok{};  // the start keeps no more than nth - 1 handles
      QARAX_CHECK(settles(
          bench, std::string(on_disk ? "just after" : "just before") + " handle " + std::to_string(nth) + " was kept"));
    }
  }
  return Ok{};
}

Status survives_the_spawn(Bench& bench, bool lose_the_handle) {
  const Bench::Body cut_short = [](Agent& agent) -> Status {
    Vm vm = agent.vm();
    agent.services().after_spawn = [] { Agent::die(); };
    QARAX_CHECK(vm.start());
    return Ok{};
  };
  QARAX_TRY(const bool died, bench.dying_agent(cut_short));
  if (!died) return skipped("its start spawns nothing");
  if (!lose_the_handle) return settles(bench, "just after its process was spawned");
  const Bench::Body life = [](Agent& agent) -> Status {
    agent.vm().keep_instead("null");
    return Ok{};
  };
  QARAX_CHECK(bench.agent(life));
  return settles(bench, "just after its process was spawned, its handle lost,");
}

}  // namespace

Rules recover_rules() {
  return {
      {"HV-RECOVER-01", QARAX_HYPERVISOR_1, "an agent killed and another come: recover finds the VM running, as it was",
       nullptr, adopts},
      {"HV-RECOVER-02", QARAX_HYPERVISOR_1, "a VM that ended while no agent was there is shutdown", nullptr,
       tells_of_one_that_ended},
      {"HV-RECOVER-03", QARAX_HYPERVISOR_1, "recover without a handle, of which nothing was made, is shutdown",
       finds_nothing},
      {"HV-RECOVER-04", QARAX_HYPERVISOR_1, "a start broken off at any handle that it keeps is found or undone",
       nullptr, survives_each_keep},
      {"HV-RECOVER-05", QARAX_HYPERVISOR_1, "likewise one broken off after its process was spawned", nullptr,
       [](Bench& bench) { return survives_the_spawn(bench, false); }},
      {"HV-RECOVER-06", QARAX_HYPERVISOR_1, "likewise where no handle came to disk", nullptr,
       [](Bench& bench) { return survives_the_spawn(bench, true); }},
  };
}

}  // namespace qarax::conformance
