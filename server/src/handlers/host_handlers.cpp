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
http::Response list(const http::Request& request, const StoreReads& store) {
  auto page = page_of(request);
  if (!page) return refuse(request, std::move(page).error());
  const auto name = request.query_value("name");
  const auto status = request.query_value("status");
  const auto wanted = status ? enum_named<HostStatus>(*status) : std::nullopt;
  if (status && !wanted)
    return refuse(request, make_error(Code::invalid_argument,
                                      "\"" + std::string(*status) + "\" is no status of a host, such as up or down",
                                      "bad-query"));
  if (page->cursor && !api::is_safe_name(*page->cursor)) return refuse(request, bad_cursor(*page->cursor));
  std::vector<HostPtr> hosts = store.hosts();
  std::erase_if(hosts, [&](const HostPtr& host) {
    return (name && host->name != *name) || (wanted && host->status != *wanted) ||
           (page->cursor && host->name <= *page->cursor);
  });
  const bool more = hosts.size() > page->limit;
  if (more) hosts.resize(page->limit);
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

http::Response add(const http::Request& request, Operations& operations) {
  if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
  auto body = api::decode_new_host(request.body);
  if (!body) return refuse(request, std::move(body).error());
  NewHostInput input;
  input.name = std::move(body->name);
  input.address = std::move(body->address);
  input.port = body->port;
  input.host_user = body->host_user.value_or("");
  auto dry = flag_of(request, "dry_run");
  if (!dry) return refuse(request, std::move(dry).error());
  if (*dry) return dry_run_reply(request, operations.dry_runs().add_host(input));
  auto host = operations.add_host(input);
  if (!host) return refuse(request, std::move(host).error());
  return created(request, "/hosts/" + (*host)->id, (*host)->id, text_of(**host));
}

template <class Use>
http::Response with_host(const http::Request& request, const StoreReads& store, Use use) {
  auto id = id_of(request);
  if (!id) return refuse(request, std::move(id).error());
  const HostPtr host = store.host(*id);
  if (host == nullptr) return refuse(request, no_such_host(*id));
  return use(*host);
}

template <class Use>
http::Response with_matched_host(const http::Request& request, const StoreReads& store, Use use) {
  return while_matched(request, [&] {
    return with_host(request, store, [&](const HostRecord& host) {
      auto refusal = refuse_unmatched(request, tag_of(host));
      return refusal ? std::move(*refusal) : use(host);
    });
  });
}

http::Response edit(const http::Request& request, const StoreReads& store, Operations& operations) {
  if (const auto problem = http::check_json_body(request)) return http::problem_response(request, *problem);
  auto dry = flag_of(request, "dry_run");
  if (!dry) return refuse(request, std::move(dry).error());
  return with_matched_host(request, store, [&](const HostRecord& host) {
    const EditCall call{host.id, request.body, expected(request, host.version), request.request_id};
    if (*dry) return dry_run_reply(request, operations.dry_runs().edit_host(call));
    auto changed = operations.edit_host(call);
    if (!changed) return refuse(request, std::move(changed).error());
    return document(**changed);
  });
}

http::Response remove(const http::Request& request, const StoreReads& store, Operations& operations) {
  auto dry = flag_of(request, "dry_run");
  if (!dry) return refuse(request, std::move(dry).error());
  auto forget = flag_of(request, "forget");
  if (!forget) return refuse(request, std::move(forget).error());
  return with_matched_host(request, store, [&](const HostRecord& host) {
    RemoveHost asked;
    asked.host_id = host.id;
    asked.expected_version = expected(request, host.version);
    asked.with_vms = *forget;
    if (*dry) return dry_run_reply(request, operations.dry_runs().remove_host(asked));
    auto removed = operations.remove_host(asked, request.request_id);
    return removed ? http::Response::empty() : refuse(request, std::move(removed).error());
  });
}

http::Response plugins(const HostRecord& host) {
  return http::Response::json(
      encode(host.info ? host.info->plugins : std::vector<core::PluginInfo>(), Defaults::write));
}

}  // namespace

void add_host_routes(http::Router& router, const StoreReads& store, Operations& operations) {
  using http::Request;
  router.add("GET", "/hosts", [&store](const Request& r) { return list(r, store); });
  router.add("POST", "/hosts", [&operations](const Request& r) { return add(r, operations); });
  router.add("GET", "/hosts/{id}", [&store](const Request& r) {
    return with_host(r, store, [&](const HostRecord& host) { return show(r, tag_of(host).text(), text_of(host)); });
  });
  router.add("PATCH", "/hosts/{id}", [&](const Request& r) { return edit(r, store, operations); });
  router.add("DELETE", "/hosts/{id}", [&](const Request& r) { return remove(r, store, operations); });
  router.add("GET", "/hosts/{id}/plugins", [&store](const Request& r) { return with_host(r, store, plugins); });
  router.add("POST", "/hosts/{id}/init", [&store, &operations](const Request& r) {
    auto dry = flag_of(r, "dry_run");
    if (!dry) return refuse(r, std::move(dry).error());
    return with_host(r, store, [&](const HostRecord& host) {
      if (*dry) return dry_run_reply(r, operations.dry_runs().init_host(host.id));
      if (prefers_async(r)) return accepted(r, operations.begin_init_host(host.id));
      auto result = operations.init_host(host.id, r.request_id);
      return result ? document(**result) : refuse(r, std::move(result).error());
    });
  });
}

}  // namespace qarax::server
