#include "handlers/host_truth.hpp"

#include "handlers/dry_runs.hpp"
#include "handlers/reply.hpp"
#include "handlers/vm_renderer.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

template <class Document>
http::Response reply(const http::Request& request, Result<Document> document) {
  if (!document) return refuse(request, std::move(document).error());
  return http::Response::json(encode(*document, Defaults::write));
}

// Without ?plan= nothing is changed and the reply is the plan.
http::Response adopt(const http::Request& request, const std::string& host, HostTruth& truth) {
  auto dry_run = flag_of(request, "dry_run");
  if (!dry_run) return refuse(request, std::move(dry_run).error());
  const auto plan = request.query_value("plan");
  if (*dry_run || !plan) return reply(request, truth.plan(host));
  if (prefers_async(request)) return accepted(request, truth.begin_adopt(host, std::string(*plan)));
  return reply(request, truth.adopt(host, std::string(*plan)));
}

http::Response collect(const http::Request& request, const std::string& host, HostTruth& truth) {
  auto dry_run = flag_of(request, "dry_run");
  if (!dry_run) return refuse(request, std::move(dry_run).error());
  if (!*dry_run && prefers_async(request))
    return accepted(request, truth.begin(HostAction::collect_leftovers, host, ""));
  return reply(request, truth.leftovers(host, !*dry_run));
}

api::DryRun foreseen(std::string_view action, const std::string& host, std::string note) {
  api::DryRun out;
  out.action = action;
  out.host_id = host;
  out.notes.push_back(std::move(note));
  return out;
}

http::Response adopt_vm(const http::Request& request, const std::string& host, const std::string& vm, HostTruth& truth,
                        VmRenderer& renderer) {
  auto dry_run = flag_of(request, "dry_run");
  if (!dry_run) return refuse(request, std::move(dry_run).error());
  auto adopted = truth.adopt_vm(host, vm, *dry_run);
  if (!adopted) return refuse(request, std::move(adopted).error());
  if (!*dry_run) return http::Response::json(renderer.one(*adopted)).with("ETag", renderer.etag(*adopted));
  return dry_run_reply(request,
                       foreseen(to_string(HostAction::adopt_vm), host, "it would be VM " + (*adopted)->name + " here"));
}

http::Response remove_vm(const http::Request& request, const std::string& host, const std::string& vm,
                         HostTruth& truth) {
  auto dry_run = flag_of(request, "dry_run");
  if (!dry_run) return refuse(request, std::move(dry_run).error());
  if (request.header_list("If-Match").value_or("*") != "*")
    return refuse(request, make_error(Code::aborted,
                                      "VM " + vm +
                                          " is known only to its node and has no ETag; repeat the request "
                                          "without If-Match. Nothing was changed",
                                      "precondition-failed"));
  if (!*dry_run && prefers_async(request))
    return accepted(request, truth.begin(HostAction::remove_unmanaged, host, vm));
  auto removed = truth.remove_vm(host, vm, *dry_run);
  if (!removed) return refuse(request, std::move(removed).error());
  if (!*dry_run) return http::Response::empty();
  return dry_run_reply(request, foreseen("remove-vm", host, "its node would end and delete it"));
}

template <class Use>
http::Response with_host(const http::Request& request, Use use) {
  auto id = id_of(request);
  return id ? use(*id) : refuse(request, std::move(id).error());
}

template <class Use>
http::Response with_vm(const http::Request& request, Use use) {
  return with_host(request, [&](const std::string& host) {
    const std::string vm(request.param("vm_id"));
    if (core::is_uuid(vm)) return use(host, core::to_lower(vm));
    return refuse(request,
                  make_error(Code::invalid_argument, "\"" + vm.substr(0, 80) + "\" is not a UUID", "bad-uuid"));
  });
}

}  // namespace

void add_host_truth_routes(http::Router& router, HostTruth& truth, VmRenderer& renderer) {
  using http::Request;
  router.add("POST", "/hosts/{id}/adopt", [&truth](const Request& r) {
    return with_host(r, [&](const std::string& host) { return adopt(r, host, truth); });
  });
  // These two ask the node.
  router.add(
      "GET", "/hosts/{id}/unmanaged",
      [&truth](const Request& r) {
        return with_host(r, [&](const std::string& host) { return reply(r, truth.unmanaged(host)); });
      },
      http::Access::authenticated, http::Pace::may_wait);
  router.add(
      "GET", "/hosts/{id}/leftovers",
      [&truth](const Request& r) {
        return with_host(r, [&](const std::string& host) { return reply(r, truth.leftovers(host, false)); });
      },
      http::Access::authenticated, http::Pace::may_wait);
  router.add("POST", "/hosts/{id}/leftovers/collect", [&truth](const Request& r) {
    return with_host(r, [&](const std::string& host) { return collect(r, host, truth); });
  });
  router.add("POST", "/hosts/{id}/unmanaged/{vm_id}/adopt", [&truth, &renderer](const Request& r) {
    return with_vm(
        r, [&](const std::string& host, const std::string& vm) { return adopt_vm(r, host, vm, truth, renderer); });
  });
  router.add("DELETE", "/hosts/{id}/unmanaged/{vm_id}", [&truth](const Request& r) {
    return with_vm(r, [&](const std::string& host, const std::string& vm) { return remove_vm(r, host, vm, truth); });
  });
}

}  // namespace qarax::server
