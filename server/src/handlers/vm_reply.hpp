// Helpers of the handlers of /vms: finding the VM, answering with the result of an action.
#pragma once

#include "handlers/conditional.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/operations.hpp"
#include "handlers/reply.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

// The VM of the route's {id}; INVALID_ARGUMENT "bad-uuid" or NOT_FOUND "vm-not-found".
inline Result<VmPtr> vm_of(const http::Request& request, const StoreReads& store) {
  QARAX_TRY(const std::string id, id_of(request));
  VmPtr vm = store.vm(id);
  if (vm == nullptr) return no_such_vm(id);
  return vm;
}

// Answers with what `use` makes of the route's VM, or 412 if If-Match doesn't name its version.
template <class Use>
Answer with_matched_vm(const http::Request& request, const StoreReads& store, VmRenderer& renderer, Use use) {
  return while_matched(request, [&]() -> Answer {
    QARAX_TRY(const VmPtr vm, vm_of(request, store));
    if (auto refusal = refuse_unmatched(request, renderer.tag(vm))) return *std::move(refusal);
    return use(vm);
  });
}

// Carries the action out, in the background if the client prefers that. Answers 202 with the job, or with what `render`
// makes of the result.
template <class Render>
Answer carry_out(const http::Request& request, Operations& operations, ActionCall call, Render render) {
  QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
  call.request_id = request.request_id;
  call.respond_async = prefers_async(request);
  if (dry) return dry_run_reply(operations.dry_runs().act(call));
  QARAX_TRY(const ActionResult result, operations.act(call));
  if (result.pending) return accepted(result.job_id);
  return render(result);
}

}  // namespace qarax::server
