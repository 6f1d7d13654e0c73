#include "wiring/rest_dry_runs.hpp"

namespace qarax::server {

Result<api::DryRun> RestDryRuns::shown(Result<Foreseen> foreseen) const {
  if (!foreseen) return std::move(foreseen).error();
  api::DryRun out;
  out.action = foreseen->action;
  out.changes = foreseen->changes;
  out.notes = std::move(foreseen->notes);
  out.resolved = std::move(foreseen->resolved);
  if (!foreseen->placement) return out;
  const Placement& placement = *foreseen->placement;
  out.host_id = placement.host_id;
  if (const HostPtr host = store_.host(placement.host_id)) out.host = host->name;
  out.hypervisor = placement.hypervisor;
  if (!placement.fallback_reason.empty()) out.fallback_reason = placement.fallback_reason;
  out.memory = placement.memory;
  return out;
}

}  // namespace qarax::server
