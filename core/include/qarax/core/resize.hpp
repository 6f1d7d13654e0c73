// What a resize makes of a VM. The server, its forecast and the node each change their own record of the VM by it, and
// have to agree.
#pragma once

#include "qarax/core/documents.hpp"

namespace qarax::core {

// `spec` gets the sizes that the command names; what the command leaves out stays as it is in `spec`.
inline void apply(const ResizeCommand& size, VmSpec& spec) {
  if (size.vcpus) spec.boot_vcpus = *size.vcpus;
  if (size.memory) spec.memory_size = *size.memory;
}

// The same for a VM that was started, whose `resolved` machine has sizes of its own.
inline void apply(const ResizeCommand& size, VmSpec& spec, std::optional<VmSpec>& resolved) {
  apply(size, spec);
  if (resolved) apply(size, *resolved);
}

}  // namespace qarax::core
