// A snapshot's folder: `memory`, as QEMU wrote it, and `machine.json`, what it belongs to. The second is there only
// when the first is whole and on the disk.
#pragma once

#include "argv.hpp"
#include "unix_socket.hpp"

namespace qarax::qemu {

// The machine that the memory belongs to; nothing else can go on with it.
struct Machine {
  std::int64_t format = 1;
  std::string vmm{};  // "qemu"
  std::string vmm_version{};
  std::string accelerator{};
  std::string machine{};
  VmSpec spec{};
  std::int32_t vcpus = 1;
  std::vector<Dimm> dimms{};
};
constexpr std::int64_t kSnapshotFormat = 1;

// `folder`: a descriptor. A new, empty file for the memory; whatever an earlier snapshot left is gone.
Result<plugin::Socket> begin_snapshot(int folder);
// The file is on the disk and has its name; then the machine.
Status finish_snapshot(int folder, const plugin::Socket& memory, const Machine& machine);
void drop_snapshot(int folder);

// NOT_FOUND: no whole snapshot. FAILED_PRECONDITION: another plugin's, or a newer one's.
Result<Machine> read_machine(int folder);
Result<plugin::Socket> open_memory(int folder);
// Why this start can't go on where that machine stood; empty: it can.
std::string difference(const Machine& machine, const VmSpec& spec, const std::string& accelerator);

}  // namespace qarax::qemu

namespace qarax {
template <>
struct Fields<qemu::Machine> {
  using T = qemu::Machine;
  static constexpr std::string_view kName = "qemu snapshot";
  static constexpr auto kTable = field_table(
      field<&T::format>("format").required(), field<&T::vmm>("vmm").required(), field<&T::vmm_version>("vmm_version"),
      field<&T::accelerator>("accelerator").required(), field<&T::machine>("machine"),
      field<&T::spec>("spec").required(), field<&T::vcpus>("vcpus").required().min(1), field<&T::dimms>("dimms"));
};
QARAX_FIELDS_COMPLETE(qemu::Machine);
}  // namespace qarax
