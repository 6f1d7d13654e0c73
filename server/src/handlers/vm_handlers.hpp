// /vms and below.
#pragma once

#include "handlers/operations.hpp"
#include "handlers/vm_renderer.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Borrows all references for as long as the router is used.
void add_vm_routes(http::Router& router, Store& store, Operations& operations, VmRenderer& renderer);

}  // namespace qarax::server
