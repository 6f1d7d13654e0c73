#include "handlers/dry_runs.hpp"

namespace qarax::server {

Answer dry_run_reply(Result<api::DryRun> foreseen) {
  if (!foreseen) return std::move(foreseen).error();
  return http::Response::make(200, kDryRunType, encode(*foreseen, Defaults::write));
}

}  // namespace qarax::server
