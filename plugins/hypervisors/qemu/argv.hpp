// VmSpec → QEMU's command line. Pure: golden files in testdata/ hold it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::qemu {

constexpr std::string_view kSandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";
constexpr std::int32_t kMaxVcpus = 255;  // more needs an x2APIC, which TCG hasn't

constexpr std::int32_t kMemorySlots = 16;          // how often memory can be added
constexpr std::int64_t kMemoryStep = 128LL << 20;  // Linux takes memory in blocks of that size
constexpr const char* kBridge = "hotplug";         // id of the bridge that devices are plugged into

// Memory that was plugged in.
struct Dimm {
  std::string id{};
  std::int64_t size = 0;
  std::int64_t address = 0;  // where the guest found it; the same again after a restore
};
// The hardware of a snapshot where it isn't what the VM's spec says.
struct Frozen {
  std::int32_t vcpus = 1;
  std::vector<Dimm> dimms{};
};

struct ArgvInput {
  std::string binary;
  std::string accelerator;  // kvm or tcg
  std::string machine;      // where the VM's options name none
  bool sandbox = true;
  std::optional<std::int64_t> tcg_tb_size_mib{};
  int monitor_fd = -1;  // listening sockets, as numbered in the VMM
  int serial_fd = -1;
  std::optional<Frozen> frozen{};  // it waits for the state of a snapshot instead of booting
};

// The options of a VM's `config`; INVALID_ARGUMENT with pointers under /config.
Result<VmOptions> vm_options(const VmSpec& spec);
// Page size in bytes → pages that the host has of it, or may make. `folder`: sysfs's.
using HugePages = std::map<std::int64_t, std::int64_t>;
HugePages look_at_huge_pages(const std::string& folder = "/sys/kernel/mm/hugepages");
// What QEMU on this host can't do with the spec, each with its pointer; empty: all fine.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator, const HugePages& huge_pages);
// An object for guest memory of the spec's kind, as object-add takes it.
json::Object memory_backend(const VmSpec& spec, const std::string& id, std::int64_t size);
std::string memory_id(const std::string& dimm);  // of the object behind a DIMM
// Where a device can be plugged into that machine; empty: nowhere.
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
