// The body of POST /vms.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/vm_spec.hpp"
#include "store/restart.hpp"

namespace qarax::api {

struct NewVm {
  std::string name{};
  std::optional<std::string> hypervisor{};
  VmSpec spec{};
  std::optional<std::string> boot_source_id{};
  std::optional<std::string> description{};
  server::RestartPolicy restart_policy = server::RestartPolicy::never;
  std::int32_t restart_limit = 5;
  std::vector<std::string> tags{};
};

// Decodes the body and checks everything that needs no other information: INVALID_ARGUMENT with one detail per problem,
// reason "bad-json" or "validation". An absent max_vcpus becomes boot_vcpus; a null optional member counts as absent.
Result<NewVm> decode_new_vm(std::string_view body);

}  // namespace qarax::api

template <>
struct qarax::Fields<qarax::api::NewVm> {
  using T = api::NewVm;
  static constexpr std::string_view kName = "NewVm";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().min(1).max(253).doc(
          "Unique among the VMs. Letters, digits, '.', '_' and '-', beginning with a letter or digit."),
      field<&T::hypervisor>("hypervisor")
          .min(1)
          .max(63)
          .doc("Short name of the hypervisor plugin (cloud_hv, qemu, …); the node's default when absent."),
      field<&T::spec>("").flat(),
      field<&T::boot_source_id>("boot_source_id")
          .format("uuid")
          .doc("What the VM boots; the node's default kernel, initramfs and command line when absent."),
      field<&T::description>("description").max(4096).doc("For people."),
      field<&T::restart_policy>("restart_policy")
          .doc("Whether the server starts it again when it ends by itself. on-failure: unless the guest powered itself "
               "off; always: then too. Never after somebody's stop. Each restart in a row waits longer."),
      field<&T::restart_limit>("restart_limit")
          .min(0)
          .max(1'000'000)
          .doc("Most restarts in a row; 0: no limit. A start by hand, or a long run, counts anew."),
      field<&T::tags>("tags").max(32).doc(
          "For finding it: each once, of 1 to 63 of the characters A-Z a-z 0-9 . _ - : = /, beginning with a letter or "
          "digit."));
};
QARAX_FIELDS_COMPLETE(qarax::api::NewVm);
