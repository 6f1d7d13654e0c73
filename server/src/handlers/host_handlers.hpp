// /hosts and below.
#pragma once

#include "handlers/operations.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Borrows all references for as long as the router is used.
void add_host_routes(http::Router& router, const StoreReads& store, Operations& operations);

}  // namespace qarax::server
