// HV-START, HV-RESOLVE, HV-SPEC, HV-KEEP, HV-FORK: how a VM is started.
#include <unistd.h>

#include <algorithm>
#include <set>

#include "pidfd.hpp"
#include "records.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status starts(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  return expect_state(vm.inspect(), VmState::running, "inspect after start");
}

Status starts_once(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const auto first = vm.process();
  QARAX_CHECK(expect_state(vm.start(), VmState::running, "a second start of the same incarnation"));
  const auto second = vm.process();
  QARAX_CHECK(expect(!first || (second && second->alive && second->pid == first->pid),
                     "a second start of the same incarnation ended the process of the first"));
  const auto asked = agent.services().asked();
  return expect(std::count(asked.begin(), asked.end(), "spawned") <= 1,
                "a second start of the same incarnation spawned another process");
}

Status starts_again(Agent& agent) {
  QARAX_TRY(Vm first, agent.started());
  QARAX_CHECK(expect_state(first.stop(StopMode::force), VmState::shutdown, "stop"));
  agent.clean_up(first);
  Vm second = agent.vm(1, 2);
  second.keep_instead("null");
  QARAX_CHECK(expect_state(second.start(), VmState::running, "a start of the next incarnation"));
  return expect_state(second.inspect(), VmState::running, "inspect of the next incarnation");
}

Status keeps_first(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const auto asked = agent.services().asked();
  if (asked.empty() || std::find(asked.begin(), asked.end(), "keep") == asked.end())
    return broken("start kept no handle: after a crash of the agent nothing would lead back to the VM");
  return expect(asked.front() == "keep", "start asked the host for \"" + asked.front() + "\" before it kept a handle");
}

// Processes that the host spawns are below a supervisor; the plugin made any other descendant of the agent itself.
Status forks_nothing(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  std::set<int> hosts;
  if (const auto record = agent::read_supervisor_record(vm.run_dir())) {
    hosts.insert(record->supervisor.pid);
    for (const int pid : descendants(record->supervisor.pid)) hosts.insert(pid);
  }
  for (const int pid : descendants(::getpid()))
    QARAX_CHECK(expect(hosts.contains(pid), "process " + std::to_string(pid) +
                                                " isn't one that the host spawned: use qarax.host.process/1"));
  return Ok{};
}

Status resolves_purely(Agent& agent) {
  Vm vm = agent.vm();
  QARAX_TRY(const StartArgs once, vm.start_args());
  QARAX_TRY(const VmSpec twice, vm.call(&Hypervisor::resolve, ResolveArgs{once.spec}));
  QARAX_CHECK(
      expect(encode(twice, Defaults::write) == encode(once.spec, Defaults::write),
             "resolve of what it resolved gives something else: " + encode(twice) + " after " + encode(once.spec)));
  const auto asked = agent.services().asked();
  return expect(asked.empty(), "resolve isn't pure: it asked the host for " + (asked.empty() ? "" : asked.front()));
}

bool points_at(const Error& error, std::string_view member) {
  return std::any_of(error.details.begin(), error.details.end(),
                     [&](const ErrorDetail& detail) { return detail.pointer.find(member) != std::string::npos; });
}

// The document with a member that the plugin can't know in the object at `where`, a JSON pointer.
std::string with_unknown(const std::string& document, std::string_view where) {
  auto out = json::parse(document);
  json::Value* at = out ? &*out : nullptr;
  while (at != nullptr && at->as_object() != nullptr && !where.empty()) {
    where.remove_prefix(1);
    const std::string_view name = where.substr(0, where.find('/'));
    where.remove_prefix(name.size());
    json::Object& members = *at->as_object();
    const auto found = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.first == name; });
    at = found == members.end() ? nullptr : &found->second;
  }
  if (at == nullptr || at->as_object() == nullptr) return document;
  at->as_object()->emplace_back("qarax_check_unknown", json::Value(true));
  return json::to_text(*out);
}

// A newer host may send a member that this plugin doesn't know and so can't honour, in any object of any call: it must
// refuse it.
Status refuses_unknown_member(Agent& agent) {
  Vm vm = agent.vm();
  QARAX_TRY(StartArgs args, vm.start_args());
  args.spec.cpu_topology = CpuTopology{.packages = args.spec.max_vcpus};
  const std::string start = encode(args, Defaults::write);
  const std::string stop = encode(StopArgs{vm.args(), StopMode::force, 0}, Defaults::write);
  struct Spot {
    std::string_view slot;
    const std::string& document;
    std::string where;
  };
  for (const Spot& spot : {Spot{"start", start, ""}, Spot{"start", start, "/spec"}, Spot{"start", start, "/boot"},
                           Spot{"start", start, "/spec/cpu_topology"}, Spot{"stop", stop, ""}}) {
    const std::string pointer = spot.where + "/qarax_check_unknown";
    const std::string what = std::string(spot.slot) + " with " + pointer;
    const auto said = agent.plugin().call_raw(vm.context({}), spot.slot, with_unknown(spot.document, spot.where));
    if (said) return broken(what + ", which it can't know, succeeded: an old plugin must not ignore it");
    QARAX_CHECK(expect(said.error().code == Code::invalid_argument,
                       what + " is refused as " + std::string(to_string(said.error().code)) +
                           ", not invalid_argument: " + said.error().message));
    QARAX_CHECK(expect(points_at(said.error(), pointer),
                       "the refusal of " + what + " has no detail with that pointer: " + said.error().message));
  }
  return Ok{};
}

Status refuses_unknown_option(Agent& agent) {
  if (agent.record().description.options_schema.text == "null")
    return skipped("describe has no options_schema: its VMs have no options of their own");
  Vm vm = agent.vm();
  ResolveArgs args{agent.settings().spec};
  args.spec.config.text = "{\"qarax_check_unknown\":1}";
  const auto said = vm.call(&Hypervisor::resolve, args);
  if (said) return broken("resolve took a config with an option that isn't in its options_schema");
  QARAX_CHECK(expect(
      said.error().code == Code::invalid_argument,
      "an unknown option is refused as " + std::string(to_string(said.error().code)) + ": " + said.error().message));
  return expect(points_at(said.error(), "/config/qarax_check_unknown"),
                "the refusal of /config/qarax_check_unknown has no detail with its pointer: " + said.error().message);
}

}  // namespace

Rules start_rules() {
  return {
      {"HV-START-01", QARAX_HYPERVISOR_1, "start returns running, and inspect agrees", starts},
      {"HV-START-02", QARAX_HYPERVISOR_1, "started twice with one incarnation is running, once", starts_once},
      {"HV-START-03", QARAX_HYPERVISOR_1, "a VM that was stopped starts again as its next incarnation", starts_again},
      {"HV-KEEP-01", QARAX_HYPERVISOR_1, "start keeps a handle before it asks the host for anything", keeps_first},
      {"HV-FORK-01", QARAX_HYPERVISOR_1, "every process of a VM was spawned by the host", forks_nothing},
      {"HV-RESOLVE-01", QARAX_HYPERVISOR_1,
       "resolve is pure and keeps what was asked for, and resolving twice changes nothing", resolves_purely},
      {"HV-SPEC-01", QARAX_HYPERVISOR_1,
       "an unknown member, in any object of start and in stop, is refused with its pointer", refuses_unknown_member},
      {"HV-SPEC-02", QARAX_HYPERVISOR_1, "an unknown option of the plugin is refused with its pointer",
       refuses_unknown_option},
  };
}

}  // namespace qarax::conformance
