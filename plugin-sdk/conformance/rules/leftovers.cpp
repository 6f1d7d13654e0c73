// HV-LEFT: nothing is left after a VM that wasn't there before it.
#include <filesystem>

#include "rules.hpp"

namespace qarax::conformance {
namespace {

std::ptrdiff_t entries(const std::string& folder) {
  std::error_code ec;
  return std::distance(std::filesystem::directory_iterator(folder, ec), {});
}

Status lives_once(Agent& agent, int number) {
  QARAX_TRY(Vm vm, agent.started(number));
  QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop"));
  agent.clean_up(vm);
  return Ok{};
}

Status nothing_left(Bench& bench, const char* after) {
  const auto left = bench.left();
  return expect(left.empty(), std::string(after) + " leaves " + listed(left));
}

Status leaves_nothing(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    QARAX_CHECK(lives_once(agent, 1));
    const auto before = entries(agent.place().state());
    QARAX_CHECK(lives_once(agent, 2));
    const auto grown = entries(agent.place().state()) - before;
    return expect(grown <= 0, "each VM leaves " + std::to_string(grown) + " files in the plugin's state_dir");
  };
  QARAX_CHECK(bench.agent(life));
  return nothing_left(bench, "a VM that was started and stopped");
}

Status leaves_no_descriptors(Agent& agent) {
  QARAX_CHECK(lives_once(agent, 1));  // so that everything that is opened once and kept is open
  const auto before = entries("/proc/self/fd");
  QARAX_CHECK(lives_once(agent, 2));
  QARAX_CHECK(lives_once(agent, 3));
  // The host stops watching a supervisor when that has ended, which may be a moment later.
  const std::int64_t until = plugin::monotonic_ns() + agent.at_once_ms() * 2'000'000;
  auto after = entries("/proc/self/fd");
  while (after > before && plugin::monotonic_ns() < until) after = entries("/proc/self/fd");
  return expect(after <= before, std::to_string(after - before) + " descriptors stay open after two more VMs");
}

Status failed_start_leaves_nothing(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    Vm vm = agent.vm();
    QARAX_TRY(StartArgs args, vm.start_args());
    args.boot.kernel = "/nonexistent/kernel";
    const auto said = vm.call(&Hypervisor::start, args);
    if (said) {
      QARAX_CHECK(vm.stop(StopMode::force));
      agent.clean_up(vm);
      return skipped("it starts a VM whose kernel doesn't exist");
    }
    const auto process = vm.process();
    QARAX_CHECK(expect(!process || !process->alive, "a start that failed leaves its process"));
    agent.clean_up(vm);
    return expect(!said.error().message.empty(), "a start that failed doesn't say why");
  };
  QARAX_CHECK(bench.agent(life));
  return nothing_left(bench, "a start that failed");
}

}  // namespace

Rules leftover_rules() {
  return {
      {"HV-LEFT-01", QARAX_HYPERVISOR_1, "a VM's life leaves no process, socket, file or cgroup", nullptr,
       leaves_nothing},
      {"HV-LEFT-02", QARAX_HYPERVISOR_1, "nor an open descriptor", leaves_no_descriptors},
      {"HV-LEFT-03", QARAX_HYPERVISOR_1, "neither does a start that fails, which says why", nullptr,
       failed_start_leaves_nothing},
  };
}

}  // namespace qarax::conformance
