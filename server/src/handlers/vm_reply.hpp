// Helpers of the handlers of /vms: finding the VM, answering with the result of an action.
#pragma once

#include "handlers/conditional.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/operations.hpp"
#include "handlers/reply.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

// Answers 400 for an id that is no UUID and 404 for an unknown VM.
template <class Use>
http::Response with_vm(const http::Request& request, const StoreReads& store, Use use) {
  auto id = id_of(request);
  if (!id) return refuse(request, std::move(id).error());
  const VmPtr vm = store.vm(*id);
  if (vm == nullptr) return refuse(request, no_such_vm(*id));
  return use(vm);
}

// Like with_vm, but answers 412 if If-Match doesn't name the VM's version.
template <class Use>
http::Response with_matched_vm(const http::Request& request, const StoreReads& store, VmRenderer& renderer, Use use) {
  return while_matched(request, [&] {
    return with_vm(request, store, [&](const VmPtr& vm) {
      auto refusal = refuse_unmatched(request, renderer.tag(vm));
      return refusal ? std::move(*refusal) : use(vm);
    });
  });
}

// Carries the action out, in the background if the client prefers that. Answers 202 with the job, or with what `render`
// makes of the result.
template <class Render>
http::Response carry_out(const http::Request& request, Operations& operations, ActionCall call, Render render) {
  auto dry = flag_of(request, "dry_run");
  if (!dry) return refuse(request, std::move(dry).error());
  call.request_id = request.request_id;
  call.respond_async = prefers_async(request);
  if (*dry) return dry_run_reply(request, operations.dry_runs().act(call));
  auto result = operations.act(call);
  if (!result) return refuse(request, std::move(result).error());
  return result->pending ? accepted(result->job_id) : render(*result);
}

}  // namespace qarax::server
