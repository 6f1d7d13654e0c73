// A snapshot's folder holds `memory`, as QEMU wrote it, and `machine.json`, the machine it belongs to. `machine.json`
// exists only once `memory` is complete and on disk.
#pragma once

#include "argv.hpp"
#include "unix_socket.hpp"

namespace qarax::qemu {

// The machine that the memory belongs to; only the same machine can continue from it.
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

// `folder` is a descriptor. Removes what an earlier snapshot left and returns a new, empty file for the memory.
Result<plugin::Socket> begin_snapshot(int folder);
// Syncs the memory file and gives it its name, then writes the machine.
Status finish_snapshot(int folder, const plugin::Socket& memory, const Machine& machine);
void drop_snapshot(int folder);

// NOT_FOUND: no complete snapshot. FAILED_PRECONDITION: written by another plugin or a newer version of this one.
Result<Machine> read_machine(int folder);
Result<plugin::Socket> open_memory(int folder);
// Why a VM with this spec and accelerator can't continue from that machine; empty if it can.
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
