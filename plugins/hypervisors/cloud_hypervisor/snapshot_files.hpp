// A snapshot's folder: Cloud Hypervisor's own three files, and `machine.json`, what they belong to. The last is there
// only when the others are whole and on the disk.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/hypervisor.hpp"

namespace qarax::cloud_hypervisor {

struct Machine {
  std::int64_t format = 1;
  std::string vmm{};  // "cloud_hv"
  std::string version{};
  VmSpec spec{};           // as it was started
  std::int32_t vcpus = 1;  // as it was resized to
  std::int64_t memory = 0;
  std::vector<DiskSpec> disks{};
  std::vector<NicSpec> nics{};
};
constexpr std::int64_t kSnapshotFormat = 1;
constexpr const char* kRestoreView = "restore";

// The path of a folder that is open; INVALID_ARGUMENT where there is none.
Result<std::string> folder_path(int fd);
void drop_snapshot(const std::string& folder);
Status finish_snapshot(const std::string& folder, const Machine& machine);
// NOT_FOUND: no whole snapshot. FAILED_PRECONDITION: another plugin's, or a newer one's.
Result<Machine> read_machine(const std::string& folder);

// The snapshot as a VM of another run folder sees it: the same files, but its config names that VM's serial socket.
Status make_restore_view(const std::string& folder, const std::string& view, const std::string& serial_socket);
void remove_restore_view(const std::string& view);

}  // namespace qarax::cloud_hypervisor

namespace qarax {
template <>
struct Fields<cloud_hypervisor::Machine> {
  using T = cloud_hypervisor::Machine;
  static constexpr std::string_view kName = "cloud_hv snapshot";
  static constexpr auto kTable = field_table(
      field<&T::format>("format").required(), field<&T::vmm>("vmm").required(),
      field<&T::version>("version").required(), field<&T::spec>("spec").required(), field<&T::vcpus>("vcpus"),
      field<&T::memory>("memory"), field<&T::disks>("disks"), field<&T::nics>("nics"));
};
QARAX_FIELDS_COMPLETE(cloud_hypervisor::Machine);
}  // namespace qarax
