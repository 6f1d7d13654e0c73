// What a plugin says about a VM and about itself. When the host reads these, it ignores unknown members, and unknown
// enum values become `unknown`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/fields.hpp"

namespace qarax {

enum class VmState { unknown, created, running, paused, shutdown };
template <>
struct EnumNames<VmState> {
  static constexpr std::string_view kNames[] = {"unknown", "created", "running", "paused", "shutdown"};
  static constexpr VmState kUnknown = VmState::unknown;
};
constexpr std::string_view to_string(VmState state) {
  return EnumNames<VmState>::kNames[static_cast<std::size_t>(state)];
}

enum class ExitKind { unknown, exited, signaled };
template <>
struct EnumNames<ExitKind> {
  static constexpr std::string_view kNames[] = {"unknown", "exited", "signaled"};
  static constexpr ExitKind kUnknown = ExitKind::unknown;
};

// How a VMM process ended. `unknown`: it is gone and nobody saw how (supervisor lost, host rebooted).
struct ExitInfo {
  ExitKind kind = ExitKind::unknown;
  std::int32_t code = 0;
  std::int32_t signal = 0;
  std::optional<std::string> at{};  // RFC 3339, milliseconds, UTC; for people. Absent: nobody saw when
  std::string log_tail{};           // the VMM's last log lines
};
template <>
struct Fields<ExitInfo> {
  static constexpr std::string_view kName = "ExitInfo";
  static constexpr auto kTable = field_table(
      field<&ExitInfo::kind>("kind").doc("exited (see code), signaled (see signal) or unknown."),
      field<&ExitInfo::code>("code").doc("Exit code of the VMM."),
      field<&ExitInfo::signal>("signal").doc("Signal that ended the VMM."),
      field<&ExitInfo::at>("at").format("date-time").nullable().doc("When the VMM ended, where somebody saw it."),
      field<&ExitInfo::log_tail>("log_tail").doc("Last lines of the VMM's own log."));
};
QARAX_FIELDS_COMPLETE(ExitInfo);

struct VmStatus {
  VmState state = VmState::unknown;
  std::string status_reason{};
  std::string accelerator{};
  std::string accelerator_evidence{};
  std::optional<ExitInfo> exit{};
  std::vector<std::string> can{};
  RawJson live{};
};
template <>
struct Fields<VmStatus> {
  static constexpr std::string_view kName = "VmStatus";
  static constexpr auto kTable = field_table(
      field<&VmStatus::state>("state").required().doc("Observed state."),
      field<&VmStatus::status_reason>("status_reason").doc("Why it is in that state, where that isn't plain."),
      field<&VmStatus::accelerator>("accelerator").doc("kvm, tcg, simulated, …: what runs this VM's vCPUs."),
      field<&VmStatus::accelerator_evidence>("accelerator_evidence").doc("What the choice rests on."),
      field<&VmStatus::exit>("exit").doc("How the VMM ended, when it has."),
      field<&VmStatus::can>("can").doc("Actions this VM can take now: pause, resume, reboot, …"),
      field<&VmStatus::live>("live").doc("The running incarnation as the plugin built it."));
};
QARAX_FIELDS_COMPLETE(VmStatus);

struct PluginLimits {
  std::int32_t max_vcpus = 0;     // 0: no limit of its own
  std::int64_t max_memory = 0;    // bytes
  std::int64_t vmm_overhead = 0;  // bytes of host memory beside the guest's, for reservations
};
template <>
struct Fields<PluginLimits> {
  static constexpr std::string_view kName = "PluginLimits";
  static constexpr auto kTable = field_table(
      field<&PluginLimits::max_vcpus>("max_vcpus").min(0).doc("Largest number of vCPUs; 0: none of its own."),
      field<&PluginLimits::max_memory>("max_memory").min(0).doc("Most bytes of memory; 0: none of its own."),
      field<&PluginLimits::vmm_overhead>("vmm_overhead").min(0).doc("Bytes of host memory a VM takes beside its own."));
};
QARAX_FIELDS_COMPLETE(PluginLimits);

// What this VMM can do on this host. Health is separate: an unhealthy plugin still lists its features.
struct Description {
  bool healthy = true;
  std::string health_reason{};
  std::string vmm_path{};
  std::string vmm_version{};
  std::string accelerator{};
  std::string accelerator_evidence{};
  std::vector<std::string> features{};
  std::vector<std::string> boot_modes{};
  PluginLimits limits{};
  RawJson options_schema{};
};
template <>
struct Fields<Description> {
  static constexpr std::string_view kName = "Description";
  static constexpr auto kTable = field_table(
      field<&Description::healthy>("healthy").doc("Whether a VM could be started now."),
      field<&Description::health_reason>("health_reason").doc("Why not, and what to do."),
      field<&Description::vmm_path>("vmm_path").doc("The VMM's program on the host."),
      field<&Description::vmm_version>("vmm_version").doc("As the VMM itself says it."),
      field<&Description::accelerator>("accelerator").doc("kvm, tcg, simulated, …: what new VMs get."),
      field<&Description::accelerator_evidence>("accelerator_evidence").doc("What the choice rests on."),
      field<&Description::features>("features").doc("What this VMM version can do on this host."),
      field<&Description::boot_modes>("boot_modes").doc("kernel, pvh, firmware, …"),
      field<&Description::limits>("limits").doc("Limits of the VMM."),
      field<&Description::options_schema>("options_schema").doc("JSON Schema of VmSpec.config for this plugin."));
};
QARAX_FIELDS_COMPLETE(Description);

struct Counter {
  std::string name{};
  std::int64_t value = 0;
  std::string unit{};
};
template <>
struct Fields<Counter> {
  static constexpr std::string_view kName = "Counter";
  static constexpr auto kTable = field_table(field<&Counter::name>("name").required().doc("Dotted name."),
                                             field<&Counter::value>("value").required().doc("Value since the start."),
                                             field<&Counter::unit>("unit").doc("bytes, ops, ns, …"));
};
QARAX_FIELDS_COMPLETE(Counter);

struct Counters {
  std::vector<Counter> counters{};
};
template <>
struct Fields<Counters> {
  static constexpr std::string_view kName = "Counters";
  static constexpr auto kTable = field_table(field<&Counters::counters>("counters").doc("All counters of one VM."));
};
QARAX_FIELDS_COMPLETE(Counters);

}  // namespace qarax
