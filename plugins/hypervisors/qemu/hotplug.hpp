// Shared by everything that is hot-plugged into a running VM: vCPUs, memory, disks, NICs.
#pragma once

#include <string>
#include <vector>

#include "argv.hpp"
#include "qmp_client.hpp"
#include "status.hpp"

namespace qarax::qemu {

// A slot for a vCPU. vcpu_slots() returns the slots in the order in which they are filled.
struct VcpuSlot {
  json::Object where{};  // socket-id, core-id, …
  std::string type{};    // device type to plug in
  std::string path{};    // QOM path of the vCPU in the slot; empty: free
};
Result<std::vector<VcpuSlot>> vcpu_slots(const plugin::Call& call, QmpClient& qmp);
Result<std::vector<Dimm>> plugged_memory(const plugin::Call& call, QmpClient& qmp);

// The guest's current sizes. Asks QEMU only if they can differ from those at the start; nullopt if the handle has no
// spec.
Result<std::optional<Sizes>> sizes_now(const plugin::Call& call, QmpClient& qmp, const Handle& handle);

// Runs a command that removes something; succeeds if that is already gone.
Status remove(const plugin::Call& call, QmpClient& qmp, std::string_view command, const json::Object& what);

// The QOM path of a device that the plugin added under this id.
inline std::string device_path(const std::string& id) { return "/machine/peripheral/" + id; }
Result<bool> is_plugged(const plugin::Call& call, QmpClient& qmp, const std::string& path);
// Asks the guest to release the device at `path`; is_plugged() tells when it is out. Succeeds if the device is already
// out or being unplugged.
Status ask_out(const plugin::Call& call, QmpClient& qmp, const std::string& path);

}  // namespace qarax::qemu
