// Derives a VM's status from its process, the monitor's answer and its handle. Pure functions.
#pragma once

#include <optional>
#include <string>

#include "qarax/plugin/device_args.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

// The handle that the plugin keeps for a VM; everything else follows from the run folder. It records the accelerator
// because a later agent may choose another one for new VMs.
struct Handle {
  std::int64_t format = 1;
  std::string vmm{};  // "qemu"; handles of other plugins are refused
  std::string accelerator{};
  std::string evidence{};
  std::string machine{};
  std::optional<VmSpec> spec{};   // as started; absent in handles of the first builds of plugin 0.1.0
  std::vector<DiskSpec> disks{};  // plugged in since the start, or about to be
  std::vector<NicSpec> nics{};
};
constexpr std::int64_t kHandleFormat = 1;

constexpr const char* kMonitor = "monitor.sock";
constexpr const char* kSerial = "serial.sock";
const plugin::VmmKind& kind();

// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: written by a newer version.
Result<Handle> read_handle(const VmArgs& args);
// The spec in the handle; FAILED_PRECONDITION if an older plugin kept none.
Result<VmSpec> spec_of(const VmArgs& args, const Handle& handle);

// The guest's current vCPUs and bytes of memory.
struct Sizes {
  std::int32_t vcpus = 0;
  std::int64_t memory = 0;
};
// Whether the sizes can differ from those at the start.
bool is_resizable(const VmSpec& spec);
Sizes boot_sizes(const VmSpec& spec);

// The status of a process that has ended. `handle` may be null.
VmStatus ended(const Process& process, const Handle* handle);
// The status of a live process. `said` is the answer to query-status; `now` are the current sizes, if known.
VmStatus alive(const std::string& said, const Handle& handle, const std::optional<Sizes>& now = std::nullopt);

// Whether the VM was spawned but its guest hasn't executed an instruction yet.
bool is_prelaunch(const VmStatus& status);
bool awaits_snapshot(const VmStatus& status);  // … because a restore was interrupted

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
