// A VM as REST shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/vm_spec.hpp"
#include "qarax/plugin/vm_status.hpp"
#include "store/records.hpp"

namespace qarax::api {

struct Vm {
  std::string id{};
  std::string name{};
  VmState status = VmState::unknown;
  std::string hypervisor{};
  VmSpec spec{};
  std::optional<std::string> host_id{};
  std::optional<std::string> boot_source_id{};
  std::optional<std::string> description{};
  std::vector<std::string> tags{};
  // The members below aren't in the first API; its clients ignore them.
  VmState desired_status = VmState::created;
  server::Origin desired_origin = server::Origin::user;
  std::optional<std::string> drift{};
  std::optional<std::string> activity{};
  std::optional<std::string> status_reason{};
  std::optional<ExitInfo> exit{};
  std::optional<std::string> accelerator{};
  std::optional<std::string> accelerator_evidence{};
  std::optional<std::string> effective_hypervisor{};
  std::optional<std::string> fallback_reason{};
  std::int64_t incarnation = 0;
  std::optional<std::string> observed_at{};
  server::Source observed_source = server::Source::server;
  std::optional<std::string> unknown_since{};
  server::RestartPolicy restart_policy = server::RestartPolicy::never;
  std::int32_t restart_limit = 5;
  std::int32_t restart_count = 0;
  std::string created_at{};
  std::string updated_at{};
};

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::Vm> {
  using T = api::Vm;
  static constexpr std::string_view kName = "Vm";
  static constexpr auto kTable = field_table(
      field<&T::id>("id").required().format("uuid").doc("What the VM is known by everywhere."),
      field<&T::name>("name").required().doc("For people; unique among the VMs."),
      field<&T::status>("status").required().doc("What its node last saw."),
      field<&T::hypervisor>("hypervisor").required().doc("Short name of the hypervisor plugin."),
      field<&T::spec>("").flat(),
      field<&T::host_id>("host_id").nullable().format("uuid").doc("Where it runs or ran last; null before."),
      field<&T::boot_source_id>("boot_source_id").nullable().format("uuid").doc("null: the node's default."),
      field<&T::description>("description").nullable().doc("For people."),
      field<&T::tags>("tags").doc("For finding it, in the order given."),
      field<&T::desired_status>("desired_status").doc("What was last asked for."),
      field<&T::desired_origin>("desired_origin")
          .doc("Who asked for it: user, guest (it powered itself off) or policy (a restart)."),
      field<&T::drift>("drift").nullable().doc(
          "How `status` differs from what was asked for, while no job is about to change that; null: it doesn't."),
      field<&T::activity>("activity").nullable().doc("What a job is doing with it now: start, stop, …"),
      field<&T::status_reason>("status_reason").nullable().doc("Why it is in this state, where that isn't plain."),
      field<&T::exit>("exit").nullable().doc("How the VMM last ended."),
      field<&T::accelerator>("accelerator").nullable().doc("kvm, tcg, simulated, …: what runs its vCPUs."),
      field<&T::accelerator_evidence>("accelerator_evidence").nullable().doc("What the choice rests on."),
      field<&T::effective_hypervisor>("effective_hypervisor")
          .nullable()
          .doc("The plugin that really runs it, where that isn't `hypervisor`."),
      field<&T::fallback_reason>("fallback_reason").nullable().doc("Why another hypervisor took its place."),
      field<&T::incarnation>("incarnation").doc("How often it was started."),
      field<&T::observed_at>("observed_at").nullable().format("date-time").doc("When its node last said anything."),
      field<&T::observed_source>("observed_source")
          .doc("Whose word `status` is: node (it saw it), server (never started, or nothing was heard of it)."),
      field<&T::unknown_since>("unknown_since").nullable().format("date-time").doc("Of a status that is unknown."),
      field<&T::restart_policy>("restart_policy").doc("As in NewVm."),
      field<&T::restart_limit>("restart_limit").doc("As in NewVm."),
      field<&T::restart_count>("restart_count").doc("Restarts in a row so far."),
      field<&T::created_at>("created_at").format("date-time").doc("When it was defined."),
      field<&T::updated_at>("updated_at").format("date-time").doc("When something was asked of it last."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Vm);
