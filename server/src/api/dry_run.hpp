// The answer to ?dry_run=true.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/vm_spec.hpp"

namespace qarax::api {

struct DryRun {
  std::string action{};
  bool changes = true;
  std::optional<std::string> host_id{};
  std::optional<std::string> host{};
  std::optional<std::string> hypervisor{};
  std::optional<std::string> fallback_reason{};
  std::optional<std::int64_t> memory{};
  std::optional<VmSpec> resolved{};
  std::vector<std::string> notes{};
};

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::DryRun> {
  using T = api::DryRun;
  static constexpr std::string_view kName = "DryRun";
  static constexpr auto kTable = field_table(
      field<&T::action>("action").required().doc("What would be done: create, edit, start, …"),
      field<&T::changes>("changes").required().doc("false: it is so already."),
      field<&T::host_id>("host_id").nullable().format("uuid").doc("Where it would start."),
      field<&T::host>("host").nullable().doc("That host's name."),
      field<&T::hypervisor>("hypervisor").nullable().doc("What would run it."),
      field<&T::fallback_reason>("fallback_reason").nullable().doc("Why that isn't what was asked for."),
      field<&T::memory>("memory").nullable().doc("Bytes of the host that it would take, with its VMM's own."),
      field<&T::resolved>("resolved").nullable().doc("The machine as the plugin would start it."),
      field<&T::notes>("notes").required().doc("What else would come of it, and what couldn't be tried."));
};
QARAX_FIELDS_COMPLETE(qarax::api::DryRun);
