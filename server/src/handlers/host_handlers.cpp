#include "handlers/host_handlers.hpp"

#include <algorithm>

#include "api/host.hpp"
#include "api/rules.hpp"
#include "handlers/conditional.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/host_document.hpp"
#include "handlers/listing.hpp"
#include "handlers/reply.hpp"
#include "http/json_body.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

std::string text_of(const HostRecord& host) { return encode(host_document(host), Defaults::write); }

// Like that of a VM: covers everything shown except last_seen_at.
EntityTag tag_of(const HostRecord& host) {
  EntityTag out;
  api::Host shown = host_document(host);
  shown.last_seen_at.reset();
  out.seen = core::fingerprint(encode(shown, Defaults::write));
  HostRecord stored;
  stored.id = host.id;
  stored.name = host.name;
  stored.address = host.address;
  stored.port = host.port;
  stored.host_user = host.host_user;
  stored.node_id = host.node_id;
  out.asked = core::fingerprint(text_of(stored));
  out.is_known = host.info.has_value();
  return out;
}

http::Response document(const HostRecord& host) {
  return http::Response::json(text_of(host)).with("ETag", tag_of(host).text());
}

// Ordered by name, which is also the cursor.
Answer list(const http::Request& request, const StoreReads& store) {
  QARAX_TRY(const Page page, page_of(request));
  const auto name = request.query_value("name");
  const auto status = request.query_value("status");
  const auto wanted = status ? enum_named<HostStatus>(*status) : std::nullopt;
  if (status && !wanted)
    return make_error(Code::invalid_argument,
                      "\"" + std::string(*status) + "\" is no status of a host, such as up or down", "bad-query");
  if (page.cursor && !api::is_safe_name(*page.cursor)) return bad_cursor(*page.cursor);
  std::vector<HostPtr> hosts = store.hosts();
  std::erase_if(hosts, [&](const HostPtr& host) {
    return (name && host->name != *name) || (wanted && host->status != *wanted) ||
           (page.cursor && host->name <= *page.cursor);
  });
  const bool more = hosts.size() > page.limit;
  if (more) hosts.resize(page.limit);
  std::string out = "[";
  for (const HostPtr& host : hosts) {
    if (out.size() > 1) out.push_back(',');
    out.append(text_of(*host));
  }
  out.push_back(']');
  auto response = http::Response::json(std::move(out));
  if (more) add_next(response, request, hosts.back()->name);
  return response;
}

Answer add(const http::Request& request, Operations& operations) {
  QARAX_CHECK(http::check_json_body(request));
  QARAX_TRY(auto body, api::decode_new_host(request.body));
  NewHostInput input;
  input.name = std::move(body.name);
  input.address = std::move(body.address);
  input.port = body.port;
  input.host_user = body.host_user.value_or("");
  QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
  if (dry) return dry_run_reply(operations.dry_runs().add_host(input));
  QARAX_TRY(const HostPtr host, operations.add_host(input));
  return created(request, "/hosts/" + host->id, host->id, text_of(*host));
}

// The host of the route's {id}; INVALID_ARGUMENT "bad-uuid" or NOT_FOUND "host-not-found".
Result<HostPtr> host_of(const http::Request& request, const StoreReads& store) {
  QARAX_TRY(const std::string id, id_of(request));
  HostPtr host = store.host(id);
  if (host == nullptr) return no_such_host(id);
  return host;
}

template <class Use>
Answer with_matched_host(const http::Request& request, const StoreReads& store, Use use) {
  return while_matched(request, [&]() -> Answer {
    QARAX_TRY(const HostPtr host, host_of(request, store));
    if (auto refusal = refuse_unmatched(request, tag_of(*host))) return *std::move(refusal);
    return use(*host);
  });
}

Answer get(const http::Request& request, const StoreReads& store) {
  QARAX_TRY(const HostPtr host, host_of(request, store));
  return show(request, tag_of(*host).text(), text_of(*host));
}

Answer edit(const http::Request& request, const StoreReads& store, Operations& operations) {
  QARAX_CHECK(http::check_json_body(request));
  QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
  return with_matched_host(request, store, [&](const HostRecord& host) -> Answer {
    const EditCall call{host.id, request.body, expected(request, host.version), request.request_id};
    if (dry) return dry_run_reply(operations.dry_runs().edit_host(call));
    QARAX_TRY(const HostPtr changed, operations.edit_host(call));
    return document(*changed);
  });
}

Answer remove(const http::Request& request, const StoreReads& store, Operations& operations) {
  QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
  QARAX_TRY(const bool forget, flag_of(request, "forget"));
  return with_matched_host(request, store, [&](const HostRecord& host) -> Answer {
    RemoveHost asked;
    asked.host_id = host.id;
    asked.expected_version = expected(request, host.version);
    asked.with_vms = forget;
    if (dry) return dry_run_reply(operations.dry_runs().remove_host(asked));
    QARAX_CHECK(operations.remove_host(asked, request.request_id));
    return http::Response::empty();
  });
}

Answer plugins(const http::Request& request, const StoreReads& store) {
  QARAX_TRY(const HostPtr host, host_of(request, store));
  return http::Response::json(
      encode(host->info ? host->info->plugins : std::vector<core::PluginInfo>(), Defaults::write));
}

Answer init(const http::Request& request, const StoreReads& store, Operations& operations) {
  QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
  QARAX_TRY(const HostPtr host, host_of(request, store));
  if (dry) return dry_run_reply(operations.dry_runs().init_host(host->id));
  if (prefers_async(request)) return accepted(operations.begin_init_host(host->id));
  QARAX_TRY(const HostPtr initialized, operations.init_host(host->id, request.request_id));
  return document(*initialized);
}

}  // namespace

void add_host_routes(http::Router& router, const StoreReads& store, Operations& operations) {
  using http::Request;
  router.add("GET", "/hosts", answering([&store](const Request& r) { return list(r, store); }));
  router.add("POST", "/hosts", answering([&operations](const Request& r) { return add(r, operations); }));
  router.add("GET", "/hosts/{id}", answering([&store](const Request& r) { return get(r, store); }));
  router.add("PATCH", "/hosts/{id}", answering([&](const Request& r) { return edit(r, store, operations); }));
  router.add("DELETE", "/hosts/{id}", answering([&](const Request& r) { return remove(r, store, operations); }));
  router.add("GET", "/hosts/{id}/plugins", answering([&store](const Request& r) { return plugins(r, store); }));
  router.add("POST", "/hosts/{id}/init", answering([&](const Request& r) { return init(r, store, operations); }));
}

}  // namespace qarax::server
