// The facts of this host, read once at start.
#pragma once

#include "qarax/core/documents.hpp"

namespace qarax::agent {

// Host name, kernel, architecture, CPUs (those this process may use), CPU model, memory in bytes, machine and boot
// identity.
core::NodeInfo host_facts();

}  // namespace qarax::agent
