// VmSpec → Cloud Hypervisor's VmConfig and command line. Pure: golden files in testdata/ hold it.
#pragma once

#include <string>
#include <vector>

#include "program.hpp"
#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"
#include "vm_options.hpp"

namespace qarax::cloud_hypervisor {

constexpr std::int64_t kHotplugStep = 128LL << 20;   // of memory that is plugged by ACPI
constexpr std::int64_t kVirtioMemBlock = 2LL << 20;  // of memory that is plugged by virtio-mem

// Problems of the spec and of its `config` for that version, each with its pointer; empty: all fine.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const Version& version);

// The document of vm.create. `spec` has passed unsupported(); `serial_socket` is relative to the run folder.
std::string build_vm_config(const StartArgs& args, const Settings& settings, const Version& version,
                            const std::string& serial_socket);

std::vector<std::string> build_argv(const std::string& binary, const Settings& settings, int api_fd);

}  // namespace qarax::cloud_hypervisor
