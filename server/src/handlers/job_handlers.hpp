// /jobs and below.
#pragma once

#include "handlers/operations.hpp"
#include "http/router.hpp"

namespace qarax::server {

// Requests that wait for a job at once; a quarter of the HTTP server's threads.
inline constexpr int kMostJobWaits = 256;

// Borrows both for as long as the router is used.
void add_job_routes(http::Router& router, JobStore& store, Operations& operations, int most_waits = kMostJobWaits);

}  // namespace qarax::server
