// What is said about a VM, from its process, its monitor's word and its handle. Pure.
#pragma once

#include <optional>
#include <string>

#include "qarax/plugin/device_args.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

// The handle. All else follows from the run folder; the accelerator stands here because a later agent may choose
// another one for new VMs.
struct Handle {
  std::int64_t format = 1;
  std::string vmm{};  // "qemu": a handle of another plugin isn't ours
  std::string accelerator{};
  std::string evidence{};
  std::string machine{};
  std::optional<VmSpec> spec{};   // as it was started; none in the handles of plugin 0.1.0's first builds
  std::vector<DiskSpec> disks{};  // what was plugged since, or was about to be
  std::vector<NicSpec> nics{};
};
constexpr std::int64_t kHandleFormat = 1;

constexpr const char* kMonitor = "monitor.sock";
constexpr const char* kSerial = "serial.sock";
const plugin::VmmKind& kind();

// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: of a newer one.
Result<Handle> read_handle(const VmArgs& args);
// The spec in it; FAILED_PRECONDITION where an older plugin kept none.
Result<VmSpec> spec_of(const VmArgs& args, const Handle& handle);

// What the guest has at the moment.
struct Sizes {
  std::int32_t vcpus = 0;
  std::int64_t memory = 0;
};
// Whether they can differ from what it was started with.
bool is_resizable(const VmSpec& spec);
Sizes boot_sizes(const VmSpec& spec);

// Of a process that has ended. A handle may be absent (null).
VmStatus ended(const Process& process, const Handle* handle);
// Of one that lives. `said`: what query-status answers. `now`: where it is known.
VmStatus alive(const std::string& said, const Handle& handle, const std::optional<Sizes>& now = std::nullopt);

// Whether that VM was spawned and its guest hasn't run an instruction.
bool is_prelaunch(const VmStatus& status);
bool awaits_snapshot(const VmStatus& status);  // … because a restore was broken off

}  // namespace qarax::qemu

namespace qarax {
template <>
struct Fields<qemu::Handle> {
  using T = qemu::Handle;
  static constexpr std::string_view kName = "qemu handle";
  static constexpr auto kTable =
      field_table(field<&T::format>("format").required(), field<&T::vmm>("vmm").required(),
                  field<&T::accelerator>("accelerator"), field<&T::evidence>("evidence"), field<&T::machine>("machine"),
                  field<&T::spec>("spec"), field<&T::disks>("disks"), field<&T::nics>("nics"));
};
QARAX_FIELDS_COMPLETE(qemu::Handle);
}  // namespace qarax
