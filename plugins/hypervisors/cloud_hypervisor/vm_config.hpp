// VmSpec → Cloud Hypervisor's VmConfig and command line. Pure: golden files in testdata/ hold it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "program.hpp"
#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::cloud_hypervisor {

constexpr std::int32_t kMaxVcpus = 254;
constexpr std::int64_t kHotplugStep = 128LL << 20;   // of memory that is plugged by ACPI
constexpr std::int64_t kVirtioMemBlock = 2LL << 20;  // of memory that is plugged by virtio-mem

// What a VM's `config` may add: members of Cloud Hypervisor's own VmConfig, as its API names them, that name no file,
// socket or device of the host. Those that this version has, as a JSON Schema.
std::string vm_options_schema(const Version& version);

// Problems of the spec and of its `config` for that version, each with its pointer; empty: all fine.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const Version& version);

// The host's CPUs that `spec`, which has passed unsupported(), keeps its vCPUs on.
std::set<int> pinned_to(const VmSpec& spec);

// Whether memory that was plugged into such a VM can be taken away again.
bool can_shrink(const VmSpec& spec);

// The document of vm.create. `spec` has passed unsupported(); `serial_socket` is relative to the run folder.
std::string build_vm_config(const StartArgs& args, const Settings& settings, const Version& version,
                            const std::string& serial_socket);

std::vector<std::string> build_argv(const std::string& binary, const Settings& settings, int api_fd);

}  // namespace qarax::cloud_hypervisor
