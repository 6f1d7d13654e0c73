// VmSpec → QEMU's command line. Pure: golden files in testdata/ hold it.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "settings.hpp"

namespace qarax::qemu {

struct ArgvInput {
  std::string binary;
  std::string accelerator;  // kvm or tcg
  std::string machine;
  bool sandbox = true;
  int monitor_fd = -1;  // listening sockets, as numbered in the VMM
  int serial_fd = -1;
};

// The options of a VM's `config`; INVALID_ARGUMENT with pointers under /config.
Result<VmOptions> vm_options(const VmSpec& spec);
// What this backend can't do with the spec, each with its pointer; empty: all fine.
std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator);
std::vector<std::string> build_argv(const ArgvInput& input, const StartArgs& args, const VmOptions& options);

}  // namespace qarax::qemu
