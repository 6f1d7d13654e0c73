// What qarax-node does beside being the agent: commands that do one thing, say it and end.
#pragma once

#include <string>

#include "node_config.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// identity.hpp's rehome() on the config's data folder, while no agent runs on it; what was done, for people.
Result<std::string> rehome_node(const NodeConfig& config, bool moved);

// Tells the agent, over its unix socket, that the host is going down; returns when no guest runs any more. What became
// of them, for people. UNAVAILABLE: no agent answers there. INTERNAL: a VM is still there.
Result<std::string> stop_guests(const NodeConfig& config, std::int64_t timeout_ms);

}  // namespace qarax::agent
