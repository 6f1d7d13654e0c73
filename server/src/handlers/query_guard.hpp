// Restricts the query of a request to the parameters that the OpenAPI document lists for its route.
#pragma once

#include "http/router.hpp"

namespace qarax::server {

// Adds the check to every route that the router has so far: INVALID_ARGUMENT "bad-query" for a parameter that the route
// doesn't have, because a misspelt filter would show more, and a misspelt dry_run change more, than was asked for.
// Routes about the server itself (/livez, /metrics, …) accept anything: probes and scrapers add parameters of their
// own.
void guard_queries(http::Router& router);

}  // namespace qarax::server
