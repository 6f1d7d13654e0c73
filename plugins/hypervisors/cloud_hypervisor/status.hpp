// The handle, and what is said about a VM from its process, its VMM's word and its handle. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api_client.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

// As the VMM is told it, too: it runs in its run folder, whose own path may be longer than a socket's address.
constexpr const char* kSerial = "serial.sock";

struct Handle {
  std::int64_t format = 1;
  std::string vmm{};  // "cloud_hv": a handle of another plugin isn't ours
  std::string version{};
  std::string evidence{};
  std::optional<VmSpec> spec{};   // as it was started; none in the handles of plugin 0.1.0's first builds
  std::vector<DiskSpec> disks{};  // what was plugged since, or was about to be
  std::vector<NicSpec> nics{};
  bool booted = false;  // its guest has run: a VMM without one is no start that is under way
};
constexpr std::int64_t kHandleFormat = 1;

const plugin::VmmKind& kind();

// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: of a newer one.
Result<Handle> read_handle(const VmArgs& args);
// The spec in it; FAILED_PRECONDITION where an older plugin kept none.
Result<VmSpec> spec_of(const VmArgs& args, const Handle& handle);

VmStatus alive(const Info& said, const Handle& handle);
// Of one that was just started or asked to be so.
Info as_started(const std::string& state, const VmSpec& spec);
VmStatus ended(const Process& process, const Handle* handle);
// A VMM in which no guest runs: its VM was never created or booted, or was shut down or deleted through the API by
// somebody else, which looks the same; the handle tells them apart.
bool runs_no_guest(const Result<Info>& said);

}  // namespace qarax::cloud_hypervisor

namespace qarax {
template <>
struct Fields<cloud_hypervisor::Handle> {
  using T = cloud_hypervisor::Handle;
  static constexpr std::string_view kName = "cloud_hv handle";
  static constexpr auto kTable =
      field_table(field<&T::format>("format").required(), field<&T::vmm>("vmm").required(),
                  field<&T::version>("version"), field<&T::evidence>("evidence"), field<&T::spec>("spec"),
                  field<&T::disks>("disks"), field<&T::nics>("nics"), field<&T::booted>("booted"));
};
QARAX_FIELDS_COMPLETE(cloud_hypervisor::Handle);
}  // namespace qarax
