// The facts of this host, read once at start.
#pragma once

#include "qarax/core/documents.hpp"

namespace qarax::agent {

// hostname, kernel, architecture, CPUs (those this process may use), CPU model, memory, machine and boot identity.
core::NodeInfo host_facts();

// The id in <data_dir>/node_id, made at the first start. An unreadable file is an error: a new id would orphan the VMs.
Result<std::string> node_id(const std::string& data_dir);

}  // namespace qarax::agent
