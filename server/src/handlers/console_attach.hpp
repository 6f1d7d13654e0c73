// GET /vms/{id}/console/attach: the serial console in both directions, over a WebSocket.
#pragma once

#include "handlers/operations.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::server {

// 404, 409 and what the node says before the upgrade; afterwards the close frame tells how it ended.
http::Response attach_console(const http::Request& request, Store& store, Operations& operations);

}  // namespace qarax::server
