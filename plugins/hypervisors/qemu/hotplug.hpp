// What is the same for everything that is plugged into a VM that runs: vCPUs, memory, disks, NICs.
#pragma once

#include <string>
#include <vector>

#include "argv.hpp"
#include "qmp_client.hpp"
#include "status.hpp"

namespace qarax::qemu {

// A place for a vCPU, in the order in which they are filled.
struct VcpuSlot {
  json::Object where{};  // socket-id, core-id, …
  std::string type{};    // the device for it
  std::string path{};    // of the one that is there; empty: none
};
Result<std::vector<VcpuSlot>> vcpu_slots(const plugin::Call& call, QmpClient& qmp);
Result<std::vector<Dimm>> plugged_memory(const plugin::Call& call, QmpClient& qmp);

// What the guest has now. Asks only where it can differ from the start; nothing: the handle keeps no spec.
Result<std::optional<Sizes>> sizes_now(const plugin::Call& call, QmpClient& qmp, const Handle& handle);

// A command that takes something away; done where it is gone already.
Status remove(const plugin::Call& call, QmpClient& qmp, std::string_view command, const json::Object& what);

// Of a device with an id of ours.
inline std::string device_path(const std::string& id) { return "/machine/peripheral/" + id; }
Result<bool> is_plugged(const plugin::Call& call, QmpClient& qmp, const std::string& path);
// Asks the guest to let go of the device at that path; it is out when is_plugged says so. One that is out, or on its
// way, is success.
Status ask_out(const plugin::Call& call, QmpClient& qmp, const std::string& path);

}  // namespace qarax::qemu
