// Converts a VmSpec into QEMU's command line. Pure functions; the golden files in testdata/ pin the result.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::qemu {

constexpr std::string_view kSandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
constexpr std::int32_t kMaxVcpus = 255;  // more needs an x2APIC, which TCG lacks

constexpr std::int32_t kMemorySlots = 16;          // how often memory can be added
constexpr std::int64_t kMemoryStep = 128LL << 20;  // bytes; Linux adds memory in blocks of this size
constexpr const char* kBridge = "hotplug";         // id of the bridge that devices are plugged into

// One piece of hot-plugged memory.
struct Dimm {
  std::string id{};
  std::int64_t size = 0;
  std::int64_t address = 0;  // guest-physical; must be the same after a restore
};
// Hardware of a snapshot that differs from the VM's spec.
struct Frozen {
  std::int32_t vcpus = 1;
  std::vector<Dimm> dimms{};
};

struct ArgvInput {
  std::string binary;
  std::string accelerator;  // kvm or tcg
  std::string machine;      // used if the VM's options name none
  bool sandbox = true;
  std::optional<std::int64_t> tcg_tb_size_mib{};
  int monitor_fd = -1;  // listening sockets; the descriptor numbers inside the VMM
  int serial_fd = -1;
  std::optional<Frozen> frozen{};  // set: QEMU waits for a snapshot's state instead of booting
};

// Parses the options in a VM's `config`; INVALID_ARGUMENT with pointers under /config.
Result<VmOptions> vm_options(const VmSpec& spec);
// Page size in bytes → number of such pages that the host has or may allocate. `folder` is the one in sysfs.
using HugePages = std::map<std::int64_t, std::int64_t>;
HugePages look_at_huge_pages(const std::string& folder = "/sys/kernel/mm/hugepages");
// What QEMU on this host can't do for the spec, each with a pointer; empty if everything is supported.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator, const HugePages& huge_pages);
// A guest memory object of the kind that the spec asks for, as arguments of object-add.
json::Object memory_backend(const VmSpec& spec, const std::string& id, std::int64_t size);
std::string memory_id(const std::string& dimm);  // id of the memory object behind a DIMM
// The bus that devices can be plugged into on this machine type; empty if there is none.
std::string hotplug_bus(const std::string& machine, bool has_bridge);
std::vector<std::string> build_argv(const ArgvInput& input, const StartArgs& args, const VmOptions& options);

}  // namespace qarax::qemu

namespace qarax {
template <>
struct Fields<qemu::Dimm> {
  using T = qemu::Dimm;
  static constexpr std::string_view kName = "DIMM";
  static constexpr auto kTable = field_table(field<&T::id>("id").required(), field<&T::size>("size").required().min(1),
                                             field<&T::address>("address").required().min(0));
};
QARAX_FIELDS_COMPLETE(qemu::Dimm);
}  // namespace qarax
