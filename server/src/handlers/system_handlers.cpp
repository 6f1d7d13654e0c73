#include "handlers/system_handlers.hpp"

#include "api/openapi.hpp"
#include "api/system.hpp"
#include "handlers/readiness.hpp"

namespace qarax::server {

namespace {

constexpr std::int32_t kNodeProtocol = 1;

http::Response ready(Store& store, Readiness& readiness, Operations& operations, bool in_full) {
  api::Ready document;
  // While the store is read-only the check must not write; check() reports why changes are refused.
  const Status stored = store.read_only().empty() ? readiness.check() : store.check();
  document.checks.push_back({"store", stored.ok(), stored ? "writes are durable" : stored.error().message});
  for (api::Check& check : operations.checks()) document.checks.push_back(std::move(check));
  document.ready = true;
  for (api::Check& check : document.checks) {
    document.ready = document.ready && check.ok;
    // The route is open, and a reason names the database's address, its user or hosts.
    if (!in_full) check.detail = check.ok ? "ok" : "not ok; asked with the server's token, this route says why";
  }
  return http::Response::json(encode(document, Defaults::write), document.ready ? 200 : 503);
}

}  // namespace

void add_system_routes(http::Router& router, Store& store, Operations& operations, Metrics& metrics,
                       const ProgramVersion& version, ClockPtr clock) {
  using http::Request;
  using http::Response;
  router.add("GET", "/", [version](const Request&) {
    return Response::text("qarax-server " + version.version + "\nGET /api-docs/openapi.json describes the API.\n");
  });
  router.add(
      "GET", "/livez", [](const Request&) { return Response::text("ok\n"); }, http::Access::open);
  const auto readiness = std::make_shared<Readiness>([&store] { return store.check(); }, std::move(clock));
  router.add(
      "GET", "/readyz",
      [&, readiness](const Request& request) { return ready(store, *readiness, operations, request.is_authenticated); },
      http::Access::open, http::Pace::may_wait);
  router.add(
      "GET", "/metrics",
      [&](const Request&) { return Response::make(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text()); },
      http::Access::authenticated, http::Pace::may_wait);
  router.add("GET", "/version", [version](const Request&) {
    api::Version document;
    document.version = version.version;
    if (!version.revision.empty()) document.revision = version.revision;
    document.api_version = api::api_version();
    document.node_protocol = kNodeProtocol;
    return Response::json(encode(document, Defaults::write));
  });
  router.add("GET", "/api-docs/openapi.json",
             [](const Request&) { return Response::json(std::string(api::openapi_json())); });
}

}  // namespace qarax::server
