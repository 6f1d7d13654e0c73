// Applies a resize to a VM's spec. The server, its forecast and the node each update their own record of the VM with
// this, so that all three agree.
#pragma once

#include "qarax/core/documents.hpp"

namespace qarax::core {

// Sets the sizes that the command names; the others stay as they are in `spec`.
inline void apply(const ResizeCommand& size, VmSpec& spec) {
  if (size.vcpus) spec.boot_vcpus = *size.vcpus;
  if (size.memory) spec.memory_size = *size.memory;
}

// The same for a VM that was started: its `resolved` spec has sizes of its own.
inline void apply(const ResizeCommand& size, VmSpec& spec, std::optional<VmSpec>& resolved) {
  apply(size, spec);
  if (resolved) apply(size, *resolved);
}

}  // namespace qarax::core
