// HS: what holds for the plugin's file and instance, before and after any VM.
#include <algorithm>
#include <filesystem>

#include "qarax/core/plugin_host/process_guard.hpp"
#include "rules.hpp"

namespace qarax::conformance {
namespace {

// A key that no plugin has.
constexpr const char* kUnknownConfig = "{\"qarax_check_unknown\":1}";

Status loads(Agent& agent) { return expect(agent.record().state == core::PluginState::loaded, agent.record().reason); }

Status leaves_the_process_alone(Agent& agent) {
  std::string changes;
  for (const auto& one : agent.record().warnings) changes.append(changes.empty() ? "" : ", ").append(one);
  return expect(changes.empty(), "while it was loaded it " + changes);
}

Status leaves_the_process_alone_later(Agent& agent) {
  core::ProcessGuard guard;
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(vm.inspect());
  QARAX_CHECK(vm.stop(StopMode::force));
  std::string changes;
  for (const auto& one : guard.restore()) changes.append(changes.empty() ? "" : ", ").append(one);
  return expect(changes.empty(), "during start, inspect and stop it " + changes);
}

Status refuses_unknown_config(Bench& bench) {
  return bench.agent(
      [](Agent& agent) -> Status {
        static_cast<void>(agent.load(RawJson{kUnknownConfig}));
        return expect(agent.record().step == core::LoadStep::config,
                      "a config of " + std::string(kUnknownConfig) +
                          " isn't refused by its config_schema; say \"additionalProperties\":false");
      },
      Load::later);
}

Status describes_itself(Agent& agent) {
  const Description& said = agent.record().description;
  if (said.vmm_path.empty() && said.vmm_version.empty()) return broken("describe names neither VMM nor version");
  if (!said.healthy) return expect(!said.health_reason.empty(), "it is unhealthy and describe doesn't say why");
  if (said.accelerator.empty()) return broken("it is healthy and describe names no accelerator");
  const bool chosen = said.accelerator == "kvm" || said.accelerator == "tcg";
  return expect(!chosen || !said.accelerator_evidence.empty(),
                "the accelerator is " + said.accelerator + " and describe gives no evidence for it");
}

// "console" may be a feature without an interface: if the VMM serves a serial socket, the host provides the console.
Status offers_its_features(Agent& agent) {
  for (const std::string& feature : agent.record().description.features) {
    const auto same = [&](const Rule& rule) { return short_name(rule.interface) == feature; };
    const auto rules = all_rules();
    const auto rule = std::find_if(rules.begin(), rules.end(), same);
    if (rule == rules.end() || feature == "console") continue;
    QARAX_CHECK(
        expect(agent.plugin().supports(rule->interface),
               "describe has the feature " + feature + ", but it doesn't offer " + std::string(rule->interface)));
  }
  return Ok{};
}

std::ptrdiff_t threads() {
  std::error_code ec;
  return std::distance(std::filesystem::directory_iterator("/proc/self/task", ec), {});
}

Status ends_with_its_threads(Bench& bench) {
  return bench.agent(
      [](Agent& agent) -> Status {
        const auto before = threads();
        QARAX_CHECK(agent.load(agent.settings().config));
        QARAX_TRY(Vm vm, agent.started());
        QARAX_CHECK(vm.stop(StopMode::force));
        if (const auto ended = agent.unload(); !ended) return broken(ended.error().message);
        // A joined thread stays in /proc for a moment.
        const std::int64_t until = plugin::monotonic_ns() + agent.at_once_ms() * 1'000'000;
        auto after = threads();
        while (after > before && plugin::monotonic_ns() < until) after = threads();
        return expect(after <= before,
                      std::to_string(after - before) + " of its threads are left after destroy has returned");
      },
      Load::later);
}

}  // namespace

Rules handshake_rules() {
  return {
      {"HS-LOAD-01", kHandshake, "the file passes every step of a node's handshake", loads},
      {"HS-PROC-01", kHandshake,
       "loading changes no signal disposition, mask, working folder, umask, locale or environment",
       leaves_the_process_alone},
      {"HS-PROC-02", kHandshake, "neither does a VM's life", leaves_the_process_alone_later},
      {"HS-CONF-01", kHandshake, "an unknown member of its config is refused before its code runs", nullptr,
       refuses_unknown_config},
      {"HS-DESC-01", kHandshake,
       "describe says which VMM it is, its accelerator with evidence, and why it is unhealthy", describes_itself},
      {"HS-DESC-02", kHandshake, "a feature that is named like an interface is offered as one", offers_its_features},
      {"HS-END-01", kHandshake, "destroy returns, and no thread of the plugin is left", nullptr, ends_with_its_threads},
  };
}

}  // namespace qarax::conformance
