// What the configuration says, as the parts of the server take it.
#pragma once

#include "config/server_config.hpp"
#include "http/server_config.hpp"
#include "nodes.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

http::ServerConfig http_config(const ServerConfig& config);

// Reads the files that node.token_file and node.ca name. INVALID_ARGUMENT for a CA without a certificate in PEM.
Result<NodeCredentials> node_credentials(const ServerConfig& config);

OrchestratorOptions orchestrator_options(const ServerConfig& config);

}  // namespace qarax::server
