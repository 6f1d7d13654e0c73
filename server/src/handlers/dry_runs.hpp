// What the handlers ask for ?dry_run=true: the same as Operations, and nothing is changed.
#pragma once

#include <string_view>

#include "api/dry_run.hpp"
#include "handlers/operations.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::server {

// Of its own, so that nobody takes it for the object.
inline constexpr std::string_view kDryRunType = "application/vnd.qarax.dry-run+json";

// The reply of a dry run: 200 with what would come of it, or the problem that the change itself would have met.
http::Response dry_run_reply(const http::Request& request, Result<api::DryRun> foreseen);

}  // namespace qarax::server
