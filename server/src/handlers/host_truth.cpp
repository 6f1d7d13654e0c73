#include "handlers/host_truth.hpp"

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

// Without ?plan= nothing is changed: that is how the plan is had.
http::Response adopt(const http::Request& request, const std::string& host, HostTruth& truth) {
  auto dry_run = flag_of(request, "dry_run");
  if (!dry_run) return refuse(request, std::move(dry_run).error());
  const auto plan = request.query_value("plan");
  if (*dry_run || !plan) return reply(request, truth.plan(host));
  return reply(request, truth.adopt(host, std::string(*plan)));
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
  router.add("GET", "/hosts/{id}/unmanaged", [&truth](const Request& r) {
    return with_host(r, [&](const std::string& host) { return reply(r, truth.unmanaged(host)); });
  });
  router.add("GET", "/hosts/{id}/leftovers", [&truth](const Request& r) {
    return with_host(r, [&](const std::string& host) { return reply(r, truth.leftovers(host, false)); });
  });
  router.add("POST", "/hosts/{id}/leftovers/collect", [&truth](const Request& r) {
    return with_host(r, [&](const std::string& host) { return reply(r, truth.leftovers(host, true)); });
  });
  router.add("POST", "/hosts/{id}/unmanaged/{vm_id}/adopt", [&truth, &renderer](const Request& r) {
    return with_vm(r, [&](const std::string& host, const std::string& vm) {
      auto adopted = truth.adopt_vm(host, vm);
      return adopted ? http::Response::json(renderer.one(*adopted)) : refuse(r, std::move(adopted).error());
    });
  });
  router.add("DELETE", "/hosts/{id}/unmanaged/{vm_id}", [&truth](const Request& r) {
    return with_vm(r, [&](const std::string& host, const std::string& vm) {
      auto removed = truth.remove_vm(host, vm);
      return removed ? http::Response::empty() : refuse(r, std::move(removed).error());
    });
  });
}

}  // namespace qarax::server
