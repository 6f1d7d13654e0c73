// What the handlers of /vms have in common: finding the VM, answering with what an action made of it.
#pragma once

#include "handlers/conditional.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/operations.hpp"
#include "handlers/reply.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

// 400 for an id that is no UUID, 404 for one that is no VM's.
template <class Use>
http::Response with_vm(const http::Request& request, const Store& store, Use use) {
  auto id = id_of(request);
  if (!id) return refuse(request, std::move(id).error());
  const VmPtr vm = store.vm(*id);
  if (vm == nullptr) return refuse(request, no_such_vm(*id));
  return use(vm);
}

// As with_vm, 412 where If-Match names other versions of it.
template <class Use>
http::Response with_matched_vm(const http::Request& request, const Store& store, VmRenderer& renderer, Use use) {
  return while_matched(request, [&] {
    return with_vm(request, store, [&](const VmPtr& vm) {
      auto refusal = refuse_unmatched(request, renderer.tag(vm));
      return refusal ? std::move(*refusal) : use(vm);
    });
  });
}

// Carries the action out, in the background where the client prefers that: 202 with the job, or what `render` makes of
// the result.
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
