#include "handlers/dry_runs.hpp"

#include "handlers/reply.hpp"

namespace qarax::server {

http::Response dry_run_reply(const http::Request& request, Result<api::DryRun> foreseen) {
  if (!foreseen) return refuse(request, std::move(foreseen).error());
  return http::Response::make(200, kDryRunType, encode(*foreseen, Defaults::write));
}

}  // namespace qarax::server
