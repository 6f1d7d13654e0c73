#include "handlers/listing.hpp"

#include <algorithm>

#include "handlers/reply.hpp"
#include "http/text.hpp"

namespace qarax::server {

Result<Page> page_of(const http::Request& request) {
  Page page;
  if (request.query.empty()) return page;
  QARAX_TRY(const auto limit, count_of(request, "limit"));
  if (limit && *limit > static_cast<std::int64_t>(kMostRows))
    return make_error(Code::invalid_argument,
                      "the query's limit is " + std::to_string(*limit) + "; a page has at most " +
                          std::to_string(kMostRows) + " rows, and a Link header leads to the next one",
                      "bad-query");
  if (limit) page.limit = static_cast<std::size_t>(*limit);
  if (const auto cursor = request.query_value("cursor")) page.cursor = std::string(*cursor);
  return page;
}

void add_next(http::Response& response, const http::Request& request, std::string_view key) {
  std::string link = "<" + request.path + "?";
  for (const auto& [name, value] : request.query)
    if (name != "cursor") link += http::percent_encoded(name) + "=" + http::percent_encoded(value) + "&";
  link += "cursor=" + http::percent_encoded(key) + ">; rel=\"next\"";
  response.headers.set("Link", link);
}

std::vector<std::string> elements_of(const http::Request& request, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& [key, value] : request.query) {
    if (key != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (const auto one = http::trim_blanks(rest.substr(0, end)); !one.empty()) out.emplace_back(one);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return out;
}

Error bad_cursor(std::string_view cursor) {
  return make_error(Code::invalid_argument,
                    "\"" + std::string(cursor) + "\" is no cursor of this list; take it from the Link header as it is",
                    "bad-cursor");
}

}  // namespace qarax::server
