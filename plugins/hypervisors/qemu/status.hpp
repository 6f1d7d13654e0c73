// What is said about a VM, from its process, its monitor's word and its handle. Pure.
#pragma once

#include <string>

#include "qarax/plugin/call_args.hpp"

namespace qarax::qemu {

// The handle. All else follows from the run folder; the accelerator stands here because a later agent may choose
// another one for new VMs.
struct Handle {
  std::int64_t format = 1;
  std::string vmm{};  // "qemu": a handle of another plugin isn't ours
  std::string accelerator{};
  std::string evidence{};
  std::string machine{};
};
constexpr std::int64_t kHandleFormat = 1;

// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: of a newer one.
Result<Handle> read_handle(const VmArgs& args);

// Of a process that has ended. A handle may be absent (null).
VmStatus ended(const Process& process, const Handle* handle);
// Of one that lives. `said`: what query-status answers.
VmStatus alive(const std::string& said, const Handle& handle);

// Whether that VM was spawned and its guest hasn't run an instruction.
bool is_prelaunch(const VmStatus& status);

}  // namespace qarax::qemu

namespace qarax {
template <>
struct Fields<qemu::Handle> {
  using T = qemu::Handle;
  static constexpr std::string_view kName = "qemu handle";
  static constexpr auto kTable = std::make_tuple(
      field<&T::format>("format").required(), field<&T::vmm>("vmm").required(), field<&T::accelerator>("accelerator"),
      field<&T::evidence>("evidence"), field<&T::machine>("machine"));
};
QARAX_FIELDS_COMPLETE(qemu::Handle);
}  // namespace qarax
