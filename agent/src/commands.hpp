// What qarax-node does beside being the agent: commands that do one thing, say it and end.
#pragma once

#include <string>

#include "node_config.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// identity.hpp's rehome() on the config's data folder, while no agent runs on it; what was done, for people.
Result<std::string> rehome_node(const NodeConfig& config, bool moved);

}  // namespace qarax::agent
