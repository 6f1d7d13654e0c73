// SNAPSHOT: qarax.hypervisor.snapshot/1.
#include <fcntl.h>

#include <filesystem>

#include "qarax/core/files.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

core::Fd folder_for(Agent& agent) {
  const std::string path = agent.place().root + "/snapshot";
  static_cast<void>(core::make_folder(path));
  return core::Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
bool alive(const Result<VmStatus>& said) {
  return said && (said->state == VmState::running || said->state == VmState::paused);
}
std::string problem(const Result<VmStatus>& said) {
  return said ? "it is " + std::string(to_string(said->state)) : said.error().message;
}

// Takes a snapshot: it must be written, and the VM must go on in the state that the plugin reports.
Status written(Agent& agent, Vm& vm, const core::Fd& folder) {
  const auto said = vm.call(&Hypervisor::snapshot, SnapshotArgs{vm.args()}, {.fds = {folder.get()}});
  QARAX_CHECK(expect(alive(said), "snapshot of a running VM: " + problem(said)));
  QARAX_CHECK(expect_state(vm.inspect(), said->state, "inspect after snapshot"));
  return expect(!std::filesystem::is_empty(agent.place().root + "/snapshot"),
                "snapshot wrote nothing into the folder that it was given");
}

Status snapshots_and_restores(Agent& agent) {
  const core::Fd folder = folder_for(agent);
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(written(agent, vm, folder));
  QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop after snapshot"));
  agent.clean_up(vm);

  Vm again = agent.vm(1, 2);
  again.keep_instead("null");
  QARAX_TRY(const StartArgs args, again.start_args());
  const auto said = again.call(&Hypervisor::restore, args, {.fds = {folder.get()}});
  QARAX_CHECK(expect(alive(said), "restore of what was snapshot: " + problem(said)));
  QARAX_CHECK(expect(again.kept() != "null", "restore kept no handle"));
  QARAX_CHECK(expect_state(again.inspect(), said->state, "inspect after restore"));
  if (said->state == VmState::paused && agent.plugin().supports(QARAX_HYPERVISOR_PAUSE_1))
    QARAX_CHECK(expect_state(again.call(&Hypervisor::resume), VmState::running, "resume after restore"));
  return expect_state(again.stop(StopMode::force), VmState::shutdown, "stop after restore");
}

Status refuses_an_empty_folder(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    const core::Fd folder = folder_for(agent);
    Vm vm = agent.vm();
    QARAX_TRY(const StartArgs args, vm.start_args());
    const auto said = vm.call(&Hypervisor::restore, args, {.fds = {folder.get()}});
    if (said) return broken("restore from an empty folder succeeded: it is " + std::string(to_string(said->state)));
    agent.clean_up(vm);
    return Ok{};
  };
  QARAX_CHECK(bench.agent(life));
  const auto left = bench.left();
  return expect(left.empty(), "a restore that failed leaves " + listed(left));
}

Status snapshot_refuses_what_has_ended(Agent& agent) {
  const core::Fd folder = folder_for(agent);
  QARAX_TRY(Vm vm, agent.ended());
  return expect_failed_precondition(vm.call(&Hypervisor::snapshot, SnapshotArgs{vm.args()}, {.fds = {folder.get()}}),
                                    "snapshot of a VM that has ended");
}

}  // namespace

Rules snapshot_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_SNAPSHOT_1;
  return {
      {"SNAPSHOT-01", kId, "a snapshot is restored as the next incarnation", snapshots_and_restores},
      {"SNAPSHOT-02", kId, "a restore from an empty folder fails and leaves nothing", nullptr, refuses_an_empty_folder},
      {"SNAPSHOT-03", kId, "a VM that has ended is failed_precondition", snapshot_refuses_what_has_ended},
  };
}

}  // namespace qarax::conformance
