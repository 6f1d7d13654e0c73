// Registers the nodes that the config names as hosts.
#pragma once

#include <functional>
#include <vector>

#include "config/server_config.hpp"
#include "handlers/operations.hpp"

namespace qarax::server {

// Whether the host's address and port accept a TCP connection within a second.
bool answers_tcp(const HostRecord& host);

// Called at the server's start, before it reports ready. Adds a host for each node without one at its address and port.
// If a host with the node's name has the same address and a port that the config no longer names and that nobody
// answers on, the node has moved: that host gets the new port and stays pinned to its node's identity, so that another
// node which answers there is refused. Failures are logged.
void register_nodes(const std::vector<NodeEntry>& nodes, const StoreReads& store, Operations& operations,
                    const std::function<bool(const HostRecord&)>& answers = answers_tcp);

}  // namespace qarax::server
