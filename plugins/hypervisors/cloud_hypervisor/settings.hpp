// The plugin's part of the node's config, and what a VM may ask of it in `config`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "qarax/plugin/fields.hpp"

namespace qarax::cloud_hypervisor {

enum class Seccomp { on, off, log };
enum class TrialChoice { run, skip, fake };

struct Settings {
  std::string binary{};  // empty: cloud-hypervisor in /usr/bin or /usr/local/bin
  Seccomp seccomp = Seccomp::on;
  bool landlock = false;  // the VMM sees no files but its own
  // skip: whatever opens as /dev/kvm is taken for usable. fake: tests only, /dev/kvm isn't looked at; refused unless
  // the program itself says that it is a fake.
  TrialChoice trial = TrialChoice::run;
  std::string probe_kernel{};  // what the trial boots; the node gives its default kernel
  std::string probe_initramfs{};
  std::int64_t probe_timeout_ms = 5000;
};

constexpr std::string_view kConfigSchema = R"({"type":"object","additionalProperties":false,"properties":{)"
                                           R"("binary":{"type":"string"},)"
                                           R"("seccomp":{"type":"string","enum":["on","off","log"]},)"
                                           R"("landlock":{"type":"boolean"},)"
                                           R"("trial":{"type":"string","enum":["run","skip","fake"]},)"
                                           R"("probe_kernel":{"type":"string"},)"
                                           R"("probe_initramfs":{"type":"string"},)"
                                           R"("probe_timeout_ms":{"type":"integer","minimum":100,"maximum":120000}}})";

}  // namespace qarax::cloud_hypervisor

namespace qarax {
template <>
struct EnumNames<cloud_hypervisor::Seccomp> {
  static constexpr std::string_view kNames[] = {"on", "off", "log"};
  static constexpr cloud_hypervisor::Seccomp kUnknown = cloud_hypervisor::Seccomp::on;
};
template <>
struct EnumNames<cloud_hypervisor::TrialChoice> {
  static constexpr std::string_view kNames[] = {"run", "skip", "fake"};
  static constexpr cloud_hypervisor::TrialChoice kUnknown = cloud_hypervisor::TrialChoice::run;
};
template <>
struct Fields<cloud_hypervisor::Settings> {
  using T = cloud_hypervisor::Settings;
  static constexpr std::string_view kName = "cloud_hv config";
  static constexpr auto kTable = field_table(
      field<&T::binary>("binary"), field<&T::seccomp>("seccomp"), field<&T::landlock>("landlock"),
      field<&T::trial>("trial"), field<&T::probe_kernel>("probe_kernel"), field<&T::probe_initramfs>("probe_initramfs"),
      field<&T::probe_timeout_ms>("probe_timeout_ms").min(100).max(120000));
};
QARAX_FIELDS_COMPLETE(cloud_hypervisor::Settings);
}  // namespace qarax
