// Lists in pages: ?limit= and ?cursor=, the rest of the query as filters, and the next page as a Link.
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

inline constexpr std::size_t kMostRows = 1000;  // of one reply

struct Page {
  std::size_t limit = kMostRows;
  std::optional<std::string> cursor;  // the key of the last row that the client has
};

// INVALID_ARGUMENT "bad-query": a limit outside 1 to 1000.
Result<Page> page_of(const http::Request& request);

// rel="next" of the same list, after the row with that key.
void add_next(http::Response& response, const http::Request& request, std::string_view key);

// The elements of ?name=a,b and of each further ?name=.
std::vector<std::string> elements_of(const http::Request& request, std::string_view name);

Error bad_cursor(std::string_view cursor);

}  // namespace qarax::server
