// GET /events.
#pragma once

#include "http/router.hpp"
#include "store/store.hpp"

namespace qarax::server {

// Borrows the store for as long as the router is used.
void add_event_routes(http::Router& router, Store& store);

}  // namespace qarax::server
