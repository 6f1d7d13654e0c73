#include "handlers/host_handlers.hpp"

#include "api/host.hpp"
#include "handlers/host_document.hpp"
#include "handlers/reply.hpp"
#include "http/json_body.hpp"

namespace qarax::server {

namespace {

std::string text_of(const HostRecord& host) { return encode(host_document(host), Defaults::write); }

http::Response list(const http::Request&, const Store& store) {
  std::string out = "[";
  for (const HostPtr& host : store.hosts()) {
    if (out.size() > 1) out.push_back(',');
    out.append(text_of(*host));
  }
  out.push_back(']');
  return http::Response::json(std::move(out));
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
  auto host = operations.add_host(input);
  if (!host) return refuse(request, std::move(host).error());
  return created(request, "/hosts/" + (*host)->id, (*host)->id, text_of(**host));
}

template <class Use>
http::Response with_host(const http::Request& request, const Store& store, Use use) {
  auto id = id_of(request);
  if (!id) return refuse(request, std::move(id).error());
  const HostPtr host = store.host(*id);
  if (host == nullptr) return refuse(request, no_such_host(*id));
  return use(*host);
}

http::Response plugins(const HostRecord& host) {
  return http::Response::json(
      encode(host.info ? host.info->plugins : std::vector<core::PluginInfo>(), Defaults::write));
}

}  // namespace

void add_host_routes(http::Router& router, const Store& store, Operations& operations) {
  using http::Request;
  router.add("GET", "/hosts", [&store](const Request& r) { return list(r, store); });
  router.add("POST", "/hosts", [&operations](const Request& r) { return add(r, operations); });
  router.add("GET", "/hosts/{id}", [&store](const Request& r) {
    return with_host(r, store, [](const HostRecord& host) { return http::Response::json(text_of(host)); });
  });
  router.add("GET", "/hosts/{id}/plugins", [&store](const Request& r) { return with_host(r, store, plugins); });
  router.add("POST", "/hosts/{id}/init", [&store, &operations](const Request& r) {
    return with_host(r, store, [&](const HostRecord& host) {
      auto result = operations.init_host(host.id, r.request_id);
      return result ? http::Response::json(text_of(**result)) : refuse(r, std::move(result).error());
    });
  });
}

}  // namespace qarax::server
