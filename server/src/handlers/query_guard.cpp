#include "handlers/query_guard.hpp"

#include <algorithm>

#include "api/openapi.hpp"
#include "handlers/reply.hpp"

namespace qarax::server {

namespace {

Error no_such_parameter(const std::string& name, std::span<const std::string_view> known) {
  std::string all;
  for (const std::string_view one : known) all.append(all.empty() ? "" : ", ").append(one);
  return make_error(
      Code::invalid_argument,
      "the query has no " + name.substr(0, 80) + "; " + (all.empty() ? "this route takes none" : "it takes " + all),
      "bad-query");
}

}  // namespace

void guard_queries(http::Router& router) {
  router.wrap([](const http::Route& route, const http::Handler& inner) -> http::Handler {
    const auto all = api::route_queries();
    const auto found = std::find_if(all.begin(), all.end(), [&](const api::RouteQuery& one) {
      return one.method == route.method && one.pattern == route.pattern;
    });
    if (found == all.end()) return nullptr;
    return [inner, known = found->names](const http::Request& request) {
      for (const auto& [name, value] : request.query)
        if (std::find(known.begin(), known.end(), name) == known.end())
          return refuse(request, no_such_parameter(name, known));
      return inner(request);
    };
  });
}

}  // namespace qarax::server
