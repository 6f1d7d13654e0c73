// What qarax-node does besides being the agent: commands that do one thing, report it and end.
#pragma once

#include <string>

#include "node_config.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// Calls rehome() (identity.hpp) on the config's data folder, while no agent runs on it. Returns what was done, as text
// for people.
Result<std::string> rehome_node(const NodeConfig& config, bool moved);

// Tells the agent, over its unix socket, that the host is going down; returns when no guest runs any more, with a text
// for people. An agent that doesn't listen yet is waited for, for as long as the guests get, 1 s at least and 20 s at
// most. UNAVAILABLE: no agent answers there. INTERNAL: a VM still runs.
Result<std::string> stop_guests(const NodeConfig& config, std::int64_t timeout_ms);

}  // namespace qarax::agent
