#include "handlers/query_guard.hpp"

#include <algorithm>

#include "api/openapi.hpp"
#include "handlers/answer.hpp"

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

// Whether the parameter is a list, which may be repeated and is read with elements_of().
bool is_list(std::string_view pattern, std::string_view name) {
  return name == "tags" || (pattern == "/events" && (name == "tag" || name == "type" || name == "status"));
}

Error lists_nothing(const std::string& name) {
  return make_error(
      Code::invalid_argument,
      "the query parameter " + name + " is empty, which would select everything; give a value or leave it out",
      "bad-query");
}

Error given_twice(const std::string& name) {
  return make_error(Code::invalid_argument, "the query parameter " + name + " is given twice; give it once",
                    "bad-query");
}

Status check_query(const http::Request& request, std::span<const std::string_view> known) {
  for (auto one = request.query.begin(); one != request.query.end(); ++one) {
    const std::string& name = one->first;
    if (std::find(known.begin(), known.end(), name) == known.end()) return no_such_parameter(name, known);
    const auto is_same = [&](const auto& other) { return other.first == name; };
    const bool may_list = is_list(request.route, name);
    if (may_list && one->second.find_first_not_of(", ") == std::string::npos) return lists_nothing(name);
    if (!may_list && std::any_of(request.query.begin(), one, is_same)) return given_twice(name);
  }
  return Ok{};
}

}  // namespace

void guard_queries(http::Router& router) {
  router.wrap([](const http::Route& route, const http::Handler& inner) -> http::Handler {
    const auto all = api::route_queries();
    const auto found = std::find_if(all.begin(), all.end(), [&](const api::RouteQuery& one) {
      return one.method == route.method && one.pattern == route.pattern;
    });
    if (found == all.end()) return nullptr;
    return answering([inner, known = found->names](const http::Request& request) -> Answer {
      QARAX_CHECK(check_query(request, known));
      return inner(request);
    });
  });
}

}  // namespace qarax::server
