// RESIZE: qarax.hypervisor.resize/1, within the limits that the spec sets.
#include "qarax/plugin/json.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

// Where the live document has the size, it is the one that was asked for.
Status has_size(const VmStatus& said, const ResizeArgs& args, const std::string& when) {
  const auto live = json::parse(said.live.text);
  const auto is_so = [&](const char* name, std::optional<std::int64_t> wanted) -> Status {
    const auto* value = live ? live->find(name) : nullptr;
    if (!wanted || value == nullptr || value->as_int() == nullptr) return Ok{};
    return expect(*value->as_int() == *wanted, when + " its live document has " + name + " " +
                                                   std::to_string(*value->as_int()) + ", not " +
                                                   std::to_string(*wanted));
  };
  QARAX_CHECK(is_so("vcpus", args.vcpus));
  return is_so("memory", args.memory);
}

Status resized(Vm& vm, const ResizeArgs& args, const std::string& what) {
  const auto said = vm.call(&Hypervisor::resize, args);
  QARAX_CHECK(expect_state(said, VmState::running, what));
  QARAX_CHECK(expect(said->live.text != "null", what + " gives no live document"));
  QARAX_CHECK(has_size(*said, args, "after " + what));
  const auto seen = vm.inspect();
  QARAX_CHECK(expect_state(seen, VmState::running, "inspect after " + what));
  return has_size(*seen, args, "at the inspect after " + what);
}

Status vcpus_there_and_back(Agent& agent) {
  const VmSpec& spec = agent.settings().spec;
  if (spec.max_vcpus <= spec.boot_vcpus) return skipped("the config's spec has no max_vcpus above boot_vcpus");
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(resized(vm, {vm.args(), spec.max_vcpus, {}}, "resize to max_vcpus"));
  return resized(vm, {vm.args(), spec.boot_vcpus, {}}, "resize back to boot_vcpus");
}

Status memory_there_and_back(Agent& agent) {
  const VmSpec& spec = agent.settings().spec;
  if (spec.memory_hotplug_size.value_or(0) == 0) return skipped("the config's spec has no memory_hotplug_size");
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(resized(vm, {vm.args(), {}, spec.memory_size + *spec.memory_hotplug_size}, "resize to all memory"));
  return resized(vm, {vm.args(), {}, spec.memory_size}, "resize back to memory_size");
}

Status to_what_it_is(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  return resized(vm, {vm.args(), agent.settings().spec.boot_vcpus, {}}, "resize to what it is");
}

Status refuses_too_much(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const auto said = vm.call(&Hypervisor::resize, ResizeArgs{vm.args(), 1000, {}});
  if (said)
    return broken("resize to 1000 vCPUs succeeded where the spec allows " +
                  std::to_string(agent.settings().spec.max_vcpus));
  const Code code = said.error().code;
  QARAX_CHECK(expect(code == Code::invalid_argument || code == Code::out_of_range || code == Code::failed_precondition,
                     "resize beyond max_vcpus is " + std::string(to_string(code)) +
                         ", not invalid_argument: " + said.error().message));
  return expect_state(vm.inspect(), VmState::running, "inspect after a resize that was refused");
}

Status resize_refuses_what_has_ended(Agent& agent) {
  QARAX_TRY(Vm vm, agent.ended());
  return expect_failed_precondition(
      vm.call(&Hypervisor::resize, ResizeArgs{vm.args(), agent.settings().spec.boot_vcpus, {}}),
      "resize of a VM that has ended");
}

}  // namespace

Rules resize_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_RESIZE_1;
  return {
      {"RESIZE-01", kId, "vCPUs go to max_vcpus and back, with a live document", vcpus_there_and_back},
      {"RESIZE-02", kId, "memory goes up by memory_hotplug_size and back", memory_there_and_back},
      {"RESIZE-03", kId, "resizing to what it is is success", to_what_it_is},
      {"RESIZE-04", kId, "more than max_vcpus is refused, and the VM runs on", refuses_too_much},
      {"RESIZE-05", kId, "a VM that has ended is failed_precondition", resize_refuses_what_has_ended},
  };
}

}  // namespace qarax::conformance
