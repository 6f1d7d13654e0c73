// HV-INSPECT, HV-HANDLE: the true state of a VM, and the handle that identifies it.
#include <fcntl.h>
#include <signal.h>

#include <optional>

#include "pidfd.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status refuses_strange_handle(Agent& agent) {
  Vm vm = agent.vm();
  QARAX_CHECK(vm.start_args());
  // A handle of another plugin may be as well formed as the plugin's own.
  for (const char* handle : {"{\"qarax_check\":\"nobody's handle\"}",
                             "{\"format\":1,\"plugin\":\"qarax_check\",\"qarax_check\":\"nobody's handle\"}"}) {
    vm.keep_instead(handle);
    const auto said = vm.inspect();
    const std::string what = std::string("a handle that it never made, ") + handle + ",";
    if (said) return broken("inspect takes " + what + " and says " + std::string(to_string(said->state)));
    QARAX_CHECK(expect(said.error().code == Code::not_found, "inspect of " + what + " is " +
                                                                 std::string(to_string(said.error().code)) +
                                                                 ", not not_found: " + said.error().message));
  }
  return Ok{};
}

Status tells_of_a_killed_vmm(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const auto process = vm.process();
  if (!process || !process->alive) return skipped("its VMs have no process that could be killed");
  agent::send_signal(agent::open_pidfd({process->pid, process->start_time}), SIGKILL);
  const std::int64_t until = plugin::monotonic_ns() + agent.at_once_ms() * 1'000'000;
  auto said = vm.inspect();
  while (!(said && said->state == VmState::shutdown) && plugin::monotonic_ns() < until) said = vm.inspect();
  QARAX_CHECK(expect_state(said, VmState::shutdown, "inspect, its VMM killed, within a second"));
  return expect_state(vm.stop(StopMode::graceful, 1000), VmState::shutdown, "stop, its VMM killed,");
}

Status inspect_changes_nothing(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const std::string kept = vm.kept();
  const auto asked = agent.services().asked();
  for (int i = 0; i < 3; ++i) QARAX_CHECK(expect_state(vm.inspect(), VmState::running, "inspect"));
  return expect(vm.kept() == kept && agent.services().asked() == asked,
                "inspect kept a handle, or spawned or claimed something");
}

// A new agent finds a VM by the kept bytes alone; here even before recover.
Status comes_back_by_its_handle(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    QARAX_CHECK(agent.started());
    return Ok{};
  };
  QARAX_CHECK(bench.agent(life));
  return bench.agent([](Agent& agent) -> Status {
    Vm vm = agent.vm();
    const std::string kept = vm.kept();
    QARAX_CHECK(expect(kept != "null", "no handle was kept"));
    QARAX_CHECK(expect_state(vm.recover(), VmState::running, "recover with the bytes that were kept"));
    QARAX_CHECK(expect_state(vm.inspect(), VmState::running, "inspect with the bytes that were kept"));
    // The same document, as another program might write it.
    const auto parsed = json::parse(kept);
    if (!parsed) return broken("the handle isn't JSON");
    vm.keep_instead(json::to_text(*parsed));
    return expect_state(vm.inspect(), VmState::running, "inspect with the same handle, written anew,");
  });
}

// Every call about the VM that the plugin offers, but a stop with force, which needs no handle.
Status refuses_each_call(Agent& agent, Vm& vm) {
  constexpr std::string_view kOf = " of a handle of format 1000000, from a newer plugin,";
  const auto refuses = [&](const auto& said, std::string_view call) {
    return expect_failed_precondition(said, std::string(call).append(kOf));
  };
  const auto offers = [&](std::string_view interface) { return agent.plugin().supports(interface); };
  QARAX_CHECK(refuses(vm.inspect(), "inspect"));
  QARAX_CHECK(refuses(vm.recover(), "recover"));
  QARAX_CHECK(refuses(vm.stop(StopMode::graceful, 1000), "a graceful stop"));
  if (offers(QARAX_HYPERVISOR_PAUSE_1)) {
    QARAX_CHECK(refuses(vm.call(&Hypervisor::pause), "pause"));
    QARAX_CHECK(refuses(vm.call(&Hypervisor::resume), "resume"));
  }
  if (offers(QARAX_HYPERVISOR_REBOOT_1)) QARAX_CHECK(refuses(vm.call(&Hypervisor::reboot), "reboot"));
  if (offers(QARAX_HYPERVISOR_RESIZE_1))
    QARAX_CHECK(refuses(
        vm.call(&Hypervisor::resize, ResizeArgs{vm.args(), agent.settings().spec.boot_vcpus, std::nullopt}), "resize"));
  if (offers(QARAX_HYPERVISOR_COUNTERS_1)) QARAX_CHECK(refuses(vm.call(&Hypervisor::counters), "counters"));
  if (offers(QARAX_HYPERVISOR_CONSOLE_1)) QARAX_CHECK(refuses(vm.call(&Hypervisor::open_console), "open"));
  if (offers(QARAX_HYPERVISOR_SNAPSHOT_1)) {
    const core::Fd folder(::open(agent.place().root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    QARAX_CHECK(refuses(vm.call(&Hypervisor::snapshot, SnapshotArgs{vm.args()}, {.fds = {folder.get()}}), "snapshot"));
  }
  if (offers(QARAX_HYPERVISOR_DISKS_1))
    QARAX_CHECK(refuses(vm.call(&Hypervisor::detach_disk, DetachArgs{vm.args(), "qarax_check"}), "detach of a disk"));
  if (offers(QARAX_HYPERVISOR_NICS_1))
    QARAX_CHECK(refuses(vm.call(&Hypervisor::detach_nic, DetachArgs{vm.args(), "qarax_check"}), "detach of a NIC"));
  return Ok{};
}

Status leaves_a_newer_handle_alone(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const std::string kept = vm.kept();
  auto handle = json::parse(kept);
  json::Value* format = nullptr;
  if (handle && handle->as_object() != nullptr)
    for (auto& [name, value] : *handle->as_object())
      if (name == "format" && value.as_int() != nullptr) format = &value;
  if (format == nullptr)
    return broken("its handle has no integer `format`: a newer one couldn't be told from this one: " + kept);
  *format = json::Value(std::int64_t{1'000'000});
  vm.keep_instead(json::to_text(*handle));
  QARAX_CHECK(refuses_each_call(agent, vm));
  vm.keep_instead(kept);
  return expect_state(vm.inspect(), VmState::running, "inspect of the VM whose newer handle was refused");
}

}  // namespace

Rules inspect_rules() {
  return {
      {"HV-INSPECT-01", QARAX_HYPERVISOR_1, "a handle that it never made is not_found", refuses_strange_handle},
      {"HV-INSPECT-02", QARAX_HYPERVISOR_1, "its VMM killed under it, inspect says shutdown within a second",
       tells_of_a_killed_vmm},
      {"HV-INSPECT-03", QARAX_HYPERVISOR_1, "inspect changes nothing", inspect_changes_nothing},
      {"HV-HANDLE-01", QARAX_HYPERVISOR_1, "the handle alone leads a new agent back to the VM", nullptr,
       comes_back_by_its_handle},
      {"HV-HANDLE-02", QARAX_HYPERVISOR_1,
       "a handle with a higher `format` is failed_precondition, but to a forced stop, and its VM is untouched",
       leaves_a_newer_handle_alone},
  };
}

}  // namespace qarax::conformance
