// Replies to ?dry_run=true.
#pragma once

#include <string_view>

#include "api/dry_run.hpp"
#include "handlers/answer.hpp"

namespace qarax::server {

// A media type of its own, so that no client takes the document for the object.
inline constexpr std::string_view kDryRunType = "application/vnd.qarax.dry-run+json";

// The reply to a dry run: 200 with the foreseen result, or the problem that the change itself would have met.
Answer dry_run_reply(Result<api::DryRun> foreseen);

}  // namespace qarax::server
