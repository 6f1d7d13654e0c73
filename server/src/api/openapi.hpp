// The OpenAPI document as served; generated at build time from server/api/openapi.yaml.
#pragma once

#include <span>
#include <string_view>

namespace qarax::api {

std::string_view openapi_json();
std::string_view api_version();  // its info.version

// The names of a route's query parameters. route_queries() has every route of the document except those with the tag
// `system`.
struct RouteQuery {
  std::string_view method;  // "GET"
  std::string_view pattern;
  std::span<const std::string_view> names;
};
std::span<const RouteQuery> route_queries();

}  // namespace qarax::api
