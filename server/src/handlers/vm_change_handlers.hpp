// /vms/{id}/resize, /snapshots, /restore and /metrics.
#pragma once

#include "handlers/operations.hpp"
#include "handlers/vm_renderer.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Borrows all references for as long as the router is used.
void add_vm_change_routes(http::Router& router, const StoreReads& store, Operations& operations, VmRenderer& renderer);

}  // namespace qarax::server
