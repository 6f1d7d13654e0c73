// GET /vms/{id}/console/attach: the serial console in both directions, over a WebSocket.
#pragma once

#include "handlers/answer.hpp"
#include "handlers/operations.hpp"

namespace qarax::server {

// Errors before the upgrade are problem documents (404, 409, those of the node); after it the close frame tells how the
// connection ended.
Answer attach_console(const http::Request& request, const StoreReads& store, Operations& operations);

}  // namespace qarax::server
