// The plugin's part of the node's config, and the options that a VM may set in `config`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "accelerator.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax::qemu {

using plugin::AcceleratorChoice;

enum class TrialChoice { run, skip };

struct Settings {
  std::string binary{};  // empty: qemu-system-x86_64 in /usr/bin or /usr/local/bin
  AcceleratorChoice accelerator = AcceleratorChoice::automatic;
  std::string machine = "q35";
  std::optional<std::int64_t> tcg_tb_size_mib{};  // TCG's cache of translated code; QEMU's own default when absent
  TrialChoice trial = TrialChoice::run;           // skip: /dev/kvm counts as usable if it opens
  std::string probe_kernel{};                     // booted by the KVM trial; the node passes its default kernel
  std::string probe_initramfs{};
  std::int64_t probe_timeout_ms = 5000;
  bool sandbox = true;  // QEMU's own seccomp filter
  bool hotplug = true;  // new VMs get a bridge for hot-plugging disks and NICs
};

// VmSpec.config for this plugin.
struct VmOptions {
  std::string cpu{};      // -cpu; empty: host under KVM, max under TCG
  std::string machine{};  // -machine; resolve sets a versioned type, so that an upgrade changes no guest's hardware
  std::optional<bool> hotplug{};  // a bridge for disks and NICs; resolve sets the node's choice
};

constexpr std::string_view kConfigSchema = R"({"type":"object","additionalProperties":false,"properties":{)"
                                           R"("binary":{"type":"string"},)"
                                           R"("accelerator":{"type":"string","enum":["auto","kvm","tcg"]},)"
                                           R"("machine":{"type":"string","enum":["q35","pc"]},)"
                                           R"("tcg_tb_size_mib":{"type":"integer","minimum":8,"maximum":2048},)"
                                           R"("trial":{"type":"string","enum":["run","skip"]},)"
                                           R"("probe_kernel":{"type":"string"},)"
                                           R"("probe_initramfs":{"type":"string"},)"
                                           R"("probe_timeout_ms":{"type":"integer","minimum":100,"maximum":120000},)"
                                           R"("sandbox":{"type":"boolean"},)"
                                           R"("hotplug":{"type":"boolean"}}})";
constexpr std::string_view kVmOptionsSchema =
    R"({"type":"object","additionalProperties":false,"properties":{)"
    R"("cpu":{"type":"string","maxLength":256,"description":"CPU model, as qemu-system-x86_64 -cpu help lists them."},)"
    R"("machine":{"type":"string","maxLength":64,"description":"q35, pc or a version of one (pc-q35-7.2); the node's own when absent."},)"
    R"("hotplug":{"type":"boolean","description":"Whether disks and NICs can be plugged in; the node's choice when absent."}}})";

}  // namespace qarax::qemu

namespace qarax {
template <>
struct EnumNames<qemu::TrialChoice> {
  static constexpr std::string_view kNames[] = {"run", "skip"};
  static constexpr qemu::TrialChoice kUnknown = qemu::TrialChoice::run;
};
template <>
struct Fields<qemu::Settings> {
  using T = qemu::Settings;
  static constexpr std::string_view kName = "qemu config";
  static constexpr auto kTable =
      field_table(field<&T::binary>("binary"), field<&T::accelerator>("accelerator"), field<&T::machine>("machine"),
                  field<&T::tcg_tb_size_mib>("tcg_tb_size_mib").min(8).max(2048), field<&T::trial>("trial"),
                  field<&T::probe_kernel>("probe_kernel"), field<&T::probe_initramfs>("probe_initramfs"),
                  field<&T::probe_timeout_ms>("probe_timeout_ms").min(100).max(120000), field<&T::sandbox>("sandbox"),
                  field<&T::hotplug>("hotplug"));
};
QARAX_FIELDS_COMPLETE(qemu::Settings);
template <>
struct Fields<qemu::VmOptions> {
  static constexpr std::string_view kName = "qemu VM options";
  static constexpr auto kTable =
      field_table(field<&qemu::VmOptions::cpu>("cpu").max(256), field<&qemu::VmOptions::machine>("machine").max(64),
                  field<&qemu::VmOptions::hotplug>("hotplug"));
};
QARAX_FIELDS_COMPLETE(qemu::VmOptions);
}  // namespace qarax
