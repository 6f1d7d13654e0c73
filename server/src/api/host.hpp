// Hosts as REST takes and shows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/fields.hpp"

namespace qarax::api {

struct NewHost {
  std::string name{};
  std::string address{};
  std::int32_t port = 0;
  std::optional<std::string> host_user{};
  std::optional<std::string> password{};
};

// Errors as decode_new_vm.
Result<NewHost> decode_new_host(std::string_view body);

// `maintenance` is added together with the route that sets it: clients of the first API have a closed enum.
enum class HostStatus { unknown, down, installing, installation_failed, initializing, up };

// A summary of one plugin of a host; GET /hosts/{id}/plugins shows the details.
struct HostPlugin {
  std::string name{};
  std::string version{};
  std::string state{};
  bool healthy = false;
  std::string reason{};
  std::string accelerator{};
  std::string accelerator_evidence{};
  std::vector<std::string> capabilities{};
};

struct Host {
  std::string id{};
  std::string name{};
  std::string address{};
  std::int32_t port = 0;
  HostStatus status = HostStatus::unknown;
  std::string host_user{};
  std::optional<std::string> status_reason{};
  std::optional<std::string> node_id{};
  std::optional<std::string> node_version{};
  std::optional<std::string> hostname{};
  std::optional<std::string> kernel{};
  std::optional<std::string> architecture{};
  std::optional<std::string> cpu_model{};
  std::optional<std::int32_t> cpus{};
  std::optional<std::int64_t> memory{};
  std::optional<std::string> default_hypervisor{};
  std::optional<std::string> accelerator{};
  std::optional<std::string> accelerator_evidence{};
  std::vector<HostPlugin> plugins{};
  std::optional<std::string> last_seen_at{};
};

}  // namespace qarax::api

template <>
struct qarax::EnumNames<qarax::api::HostStatus> {
  static constexpr std::string_view kNames[] = {"unknown",      "down", "installing", "installation_failed",
                                                "initializing", "up"};
  static constexpr api::HostStatus kUnknown = api::HostStatus::unknown;
};

template <>
struct qarax::Fields<qarax::api::NewHost> {
  using T = api::NewHost;
  static constexpr std::string_view kName = "NewHost";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().min(1).max(253).doc(
          "Unique among the hosts. Letters, digits, '.', '_' and '-', beginning with a letter or digit."),
      field<&T::address>("address").required().min(1).max(253).doc("DNS name or IP address of its qarax-node."),
      field<&T::port>("port").required().min(1).max(65535).doc("gRPC port of its qarax-node."),
      field<&T::host_user>("host_user").max(253).doc("Kept and shown; not needed."),
      field<&T::password>("password").max(4096).doc("Accepted, neither kept nor shown; not needed."));
};
QARAX_FIELDS_COMPLETE(qarax::api::NewHost);

template <>
struct qarax::Fields<qarax::api::HostPlugin> {
  using T = api::HostPlugin;
  static constexpr std::string_view kName = "HostPlugin";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().doc("Short name, as `hypervisor` of a VM."),
      field<&T::version>("version").doc("The plugin's own version."),
      field<&T::state>("state").required().doc("loaded, loading or refused."),
      field<&T::healthy>("healthy").required().doc("Whether it could start a VM now."),
      field<&T::reason>("reason").doc("Why it was refused or isn't healthy, or what its loading waits for."),
      field<&T::accelerator>("accelerator").doc("kvm, tcg, simulated, …: what new VMs get."),
      field<&T::accelerator_evidence>("accelerator_evidence").doc("What the choice rests on."),
      field<&T::capabilities>("capabilities")
          .doc("What its VMs can do there beyond start and stop: pause, reboot, resize, snapshot, disks, nics, "
               "console, counters. Anything else is refused with unsupported-by-hypervisor."));
};
QARAX_FIELDS_COMPLETE(qarax::api::HostPlugin);

template <>
struct qarax::Fields<qarax::api::Host> {
  using T = api::Host;
  static constexpr std::string_view kName = "Host";
  static constexpr auto kTable = field_table(
      field<&T::id>("id").required().format("uuid").doc("What the host is known by."),
      field<&T::name>("name").required().doc("For people; unique among the hosts."),
      field<&T::address>("address").required().doc("DNS name or IP address of its qarax-node."),
      field<&T::port>("port").required().doc("gRPC port of its qarax-node."),
      field<&T::status>("status").required().doc("up: its node answers and VMs can start there."),
      field<&T::host_user>("host_user").required().doc("As given; empty when it wasn't."),
      field<&T::status_reason>("status_reason").nullable().doc("Why it isn't up."),
      field<&T::node_id>("node_id").nullable().doc("The node's own id; null before the first contact."),
      field<&T::node_version>("node_version").nullable().doc("Version of its qarax-node."),
      field<&T::hostname>("hostname").nullable().doc("As the host calls itself."),
      field<&T::kernel>("kernel").nullable().doc("The host's kernel."),
      field<&T::architecture>("architecture").nullable().doc("x86_64, …"),
      field<&T::cpu_model>("cpu_model").nullable().doc("As the CPU names itself."),
      field<&T::cpus>("cpus").nullable().doc("CPUs that the node may use."),
      field<&T::memory>("memory").nullable().doc("Bytes of memory of the host."),
      field<&T::default_hypervisor>("default_hypervisor").nullable().doc("Of VMs that name none."),
      field<&T::accelerator>("accelerator").nullable().doc("What the default hypervisor's VMs run on: kvm, tcg, …"),
      field<&T::accelerator_evidence>("accelerator_evidence").nullable().doc("What that choice rests on."),
      field<&T::plugins>("plugins").doc("Each plugin in a line, the refused ones too."),
      field<&T::last_seen_at>("last_seen_at").nullable().format("date-time").doc("When its node last answered."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Host);
