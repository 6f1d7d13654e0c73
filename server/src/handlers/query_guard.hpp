// What a request's query may name is what the OpenAPI document says of its route.
#pragma once

#include "http/router.hpp"

namespace qarax::server {

// Puts the check in front of every route that the router has by now: INVALID_ARGUMENT "bad-query" for a name that the
// route doesn't take, since a misspelt filter would show more, and a misspelt dry_run change more, than was asked for.
// Routes of the server itself (/livez, /metrics, …) take anything: probes and scrapers add parameters of their own.
void guard_queries(http::Router& router);

}  // namespace qarax::server
