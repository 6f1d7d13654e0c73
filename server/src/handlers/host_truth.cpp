#include "handlers/host_truth.hpp"

#include "handlers/dry_runs.hpp"
#include "handlers/reply.hpp"
#include "handlers/vm_renderer.hpp"

namespace qarax::server {

namespace {

template <class Document>
Answer reply(Result<Document> document) {
  if (!document) return std::move(document).error();
  return http::Response::json(encode(*document, Defaults::write));
}

// Without ?plan= nothing is changed and the reply is the plan.
Answer adopt(const http::Request& request, HostTruth& truth) {
  QARAX_TRY(const std::string host, id_of(request));
  QARAX_TRY(const bool dry_run, flag_of(request, "dry_run"));
  const auto plan = request.query_value("plan");
  if (dry_run || !plan) return reply(truth.plan(host));
  if (prefers_async(request)) return accepted(truth.begin_adopt(host, std::string(*plan)));
  return reply(truth.adopt(host, std::string(*plan)));
}

Answer unmanaged(const http::Request& request, HostTruth& truth) {
  QARAX_TRY(const std::string host, id_of(request));
  return reply(truth.unmanaged(host));
}

Answer leftovers(const http::Request& request, HostTruth& truth) {
  QARAX_TRY(const std::string host, id_of(request));
  return reply(truth.leftovers(host, false));
}

Answer collect(const http::Request& request, HostTruth& truth) {
  QARAX_TRY(const std::string host, id_of(request));
  QARAX_TRY(const bool dry_run, flag_of(request, "dry_run"));
  if (!dry_run && prefers_async(request)) return accepted(truth.begin(HostAction::collect_leftovers, host, ""));
  return reply(truth.leftovers(host, !dry_run));
}

api::DryRun foreseen(std::string_view action, const std::string& host, std::string note) {
  api::DryRun out;
  out.action = action;
  out.host_id = host;
  out.notes.push_back(std::move(note));
  return out;
}

Answer adopt_vm(const http::Request& request, HostTruth& truth, VmRenderer& renderer) {
  QARAX_TRY(const std::string host, id_of(request));
  QARAX_TRY(const std::string vm, id_of(request, "vm_id"));
  QARAX_TRY(const bool dry_run, flag_of(request, "dry_run"));
  QARAX_TRY(const VmPtr adopted, truth.adopt_vm(host, vm, dry_run));
  if (!dry_run) return http::Response::json(renderer.one(adopted)).with("ETag", renderer.etag(adopted));
  return dry_run_reply(foreseen(to_string(HostAction::adopt_vm), host, "it would be VM " + adopted->name + " here"));
}

Answer remove_vm(const http::Request& request, HostTruth& truth) {
  QARAX_TRY(const std::string host, id_of(request));
  QARAX_TRY(const std::string vm, id_of(request, "vm_id"));
  QARAX_TRY(const bool dry_run, flag_of(request, "dry_run"));
  if (request.header_list("If-Match").value_or("*") != "*")
    return make_error(Code::aborted,
                      "VM " + vm +
                          " is known only to its node and has no ETag; repeat the request "
                          "without If-Match. Nothing was changed",
                      "precondition-failed");
  if (!dry_run && prefers_async(request)) return accepted(truth.begin(HostAction::remove_unmanaged, host, vm));
  QARAX_CHECK(truth.remove_vm(host, vm, dry_run));
  if (!dry_run) return http::Response::empty();
  return dry_run_reply(foreseen("remove-vm", host, "its node would end and delete it"));
}

}  // namespace

void add_host_truth_routes(http::Router& router, HostTruth& truth, VmRenderer& renderer) {
  using http::Request;
  constexpr auto kAccess = http::Access::authenticated;
  router.add("POST", "/hosts/{id}/adopt", answering([&truth](const Request& r) { return adopt(r, truth); }));
  // These two ask the node.
  router.add("GET", "/hosts/{id}/unmanaged", answering([&truth](const Request& r) { return unmanaged(r, truth); }),
             kAccess, http::Pace::may_wait);
  router.add("GET", "/hosts/{id}/leftovers", answering([&truth](const Request& r) { return leftovers(r, truth); }),
             kAccess, http::Pace::may_wait);
  router.add("POST", "/hosts/{id}/leftovers/collect",
             answering([&truth](const Request& r) { return collect(r, truth); }));
  router.add("POST", "/hosts/{id}/unmanaged/{vm_id}/adopt",
             answering([&truth, &renderer](const Request& r) { return adopt_vm(r, truth, renderer); }));
  router.add("DELETE", "/hosts/{id}/unmanaged/{vm_id}",
             answering([&truth](const Request& r) { return remove_vm(r, truth); }));
}

}  // namespace qarax::server
