// Differences between the VMs that a node has and those that the server has, and the plan that removes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qarax/plugin/vm_status.hpp"

namespace qarax::api {

enum class AdoptAction { none, create, raise, forget, leave };

struct AdoptVm {
  std::string id{};
  std::string name{};
  AdoptAction action = AdoptAction::none;
  VmState status = VmState::unknown;
  std::string hypervisor{};
  std::int64_t incarnation = 0;
  std::int64_t revision = 0;
  std::string note{};
};

struct AdoptPlan {
  std::string plan{};
  std::string host_id{};
  std::string host{};
  std::string node_id{};
  std::string reason{};
  bool applied = false;
  std::vector<AdoptVm> vms{};
};

}  // namespace qarax::api

template <>
struct qarax::EnumNames<qarax::api::AdoptAction> {
  static constexpr std::string_view kNames[] = {"none", "create", "raise", "forget", "leave"};
  static constexpr api::AdoptAction kUnknown = api::AdoptAction::none;
};

template <>
struct qarax::Fields<qarax::api::AdoptVm> {
  using T = api::AdoptVm;
  static constexpr std::string_view kName = "AdoptVm";
  static constexpr auto kTable = field_table(
      field<&T::id>("id").required().format("uuid").doc("The VM's id, on its node and after the adopt."),
      field<&T::name>("name").required().doc("As it will be called here."),
      field<&T::action>("action").required().doc(
          "create: defined here as the node has it. raise: defined here already, and raised to what the node has done "
          "and was told since; note says what changes by it. forget: "
          "the node deleted it by command, so the record goes. leave: nothing is done about it, see note. none: it is "
          "the same on both sides."),
      field<&T::status>("status").required().doc("What its node last saw."),
      field<&T::hypervisor>("hypervisor").required().doc("The plugin that runs it there."),
      field<&T::incarnation>("incarnation").required().doc("Its latest start on the node."),
      field<&T::revision>("revision").required().doc("The latest job that the node has carried out for it."),
      field<&T::note>("note").required().doc("What there is to say about it; empty: nothing."));
};
QARAX_FIELDS_COMPLETE(qarax::api::AdoptVm);

template <>
struct qarax::Fields<qarax::api::AdoptPlan> {
  using T = api::AdoptPlan;
  static constexpr std::string_view kName = "AdoptPlan";
  static constexpr auto kTable =
      field_table(field<&T::plan>("plan").required().doc("Names this plan; POST it as ?plan= to carry it out."),
                  field<&T::host_id>("host_id").required().format("uuid").doc("The host."),
                  field<&T::host>("host").required().doc("Its name."),
                  field<&T::node_id>("node_id").required().doc("The node that answers there."),
                  field<&T::reason>("reason").required().doc("Why the host needs it; empty: it doesn't."),
                  field<&T::applied>("applied").required().doc("Whether it was carried out just now."),
                  field<&T::vms>("vms").required().doc("Every VM that either side knows on this host."));
};
QARAX_FIELDS_COMPLETE(qarax::api::AdoptPlan);
