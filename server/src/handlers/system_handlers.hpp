// Routes about the server itself: /, /livez, /readyz, /metrics, /version and the API's description.
#pragma once

#include <string>

#include "handlers/metrics.hpp"
#include "handlers/operations.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Borrows all references for as long as the router is used. A null clock means the system clock.
void add_system_routes(http::Router& router, Store& store, Operations& operations, Metrics& metrics,
                       const ProgramVersion& version, ClockPtr clock = nullptr);

}  // namespace qarax::server
