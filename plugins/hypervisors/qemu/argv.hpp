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

struct ArgvInput {
  std::string binary;
  std::string accelerator;  // kvm or tcg
  std::string machine;      // where the VM's options name none
  bool sandbox = true;
  std::optional<std::int64_t> tcg_tb_size_mib{};
  int monitor_fd = -1;  // listening sockets, as numbered in the VMM
  int serial_fd = -1;
};

// The options of a VM's `config`; INVALID_ARGUMENT with pointers under /config.
Result<VmOptions> vm_options(const VmSpec& spec);
// Page size in bytes → pages that the host has of it, or may make. `folder`: sysfs's.
using HugePages = std::map<std::int64_t, std::int64_t>;
HugePages look_at_huge_pages(const std::string& folder = "/sys/kernel/mm/hugepages");
// What QEMU on this host can't do with the spec, each with its pointer; empty: all fine.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator, const HugePages& huge_pages);
std::vector<std::string> build_argv(const ArgvInput& input, const StartArgs& args, const VmOptions& options);

}  // namespace qarax::qemu
