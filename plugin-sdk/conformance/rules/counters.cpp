// COUNTERS: qarax.hypervisor.counters/1.
#include <map>

#include "rules.hpp"

namespace qarax::conformance {
namespace {

Result<std::map<std::string, std::int64_t>> read(Vm& vm) {
  const auto said = vm.call(&Hypervisor::counters);
  if (!said) return broken("counters failed: " + said.error().message);
  std::map<std::string, std::int64_t> out;
  for (const Counter& counter : said->counters) {
    if (counter.name.empty()) return broken("a counter has no name");
    if (!out.emplace(counter.name, counter.value).second) return broken("two counters are named " + counter.name);
  }
  if (out.empty()) return broken("it offers counters and has none");
  return out;
}

// memory.* are current amounts, not counts, so they may fall.
bool may_fall(const std::string& name) { return name.starts_with("memory."); }

Status never_fall(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  QARAX_TRY(auto before, read(vm));
  for (int i = 0; i < 20; ++i) {
    QARAX_TRY(auto now, read(vm));
    for (const auto& [name, value] : before) {
      const auto found = now.find(name);
      if (found == now.end()) return broken("counter " + name + " is gone from one reading to the next");
      if (found->second < value && !may_fall(name))
        return broken("counter " + name + " fell from " + std::to_string(value) + " to " +
                      std::to_string(found->second));
    }
    before = std::move(now);
  }
  return Ok{};
}

Status last_counters_or_none(Agent& agent) {
  QARAX_TRY(Vm vm, agent.ended());
  const auto said = vm.call(&Hypervisor::counters);
  if (said) return Ok{};  // the last counters are fine
  return expect_failed_precondition(said, "counters of a VM that has ended");
}

}  // namespace

Rules counters_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_COUNTERS_1;
  return {
      {"COUNTERS-01", kId, "counters have names of their own and don't fall, but for memory.*", never_fall},
      {"COUNTERS-02", kId, "of a VM that has ended they are the last ones, or failed_precondition",
       last_counters_or_none},
  };
}

}  // namespace qarax::conformance
