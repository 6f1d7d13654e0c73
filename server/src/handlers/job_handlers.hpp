// /jobs and below.
#pragma once

#include "handlers/operations.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Borrows both for as long as the router is used.
void add_job_routes(http::Router& router, Store& store, Operations& operations);

}  // namespace qarax::server
