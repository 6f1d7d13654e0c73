// The nodes that the config names, as hosts.
#pragma once

#include <functional>
#include <vector>

#include "config/server_config.hpp"
#include "handlers/operations.hpp"

namespace qarax::server {

// Whether anybody takes a TCP connection there within a second.
bool answers_tcp(const HostRecord& host);

// At the server's start, before it is told that it is ready. Adds a host for each that no host stands for yet. A host
// of that name on the same machine, at a port that the config no longer has and where nobody answers, is the node,
// moved: it gets the new port and stays pinned to its node, so that another one which answers there is refused. What
// isn't possible is logged.
void register_nodes(const std::vector<NodeEntry>& nodes, const Store& store, Operations& operations,
                    const std::function<bool(const HostRecord&)>& answers = answers_tcp);

}  // namespace qarax::server
