// Lists in pages: ?limit= and ?cursor= select the page, the rest of the query filters, a Link field names the next
// page.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/request.hpp"
#include "http/response.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

inline constexpr std::size_t kMostRows = 1000;  // in one reply

struct Page {
  std::size_t limit = kMostRows;
  std::optional<std::string> cursor;  // the key of the last row that the client has
};

// INVALID_ARGUMENT "bad-query" if the limit isn't 1 to 1000.
Result<Page> page_of(const http::Request& request);

// Adds the Link with rel="next": the same list after the row with the key `key`.
void add_next(http::Response& response, const http::Request& request, std::string_view key);

// The elements of ?name=a,b, and those of every further ?name=.
std::vector<std::string> elements_of(const http::Request& request, std::string_view name);

Error bad_cursor(std::string_view cursor);

}  // namespace qarax::server
