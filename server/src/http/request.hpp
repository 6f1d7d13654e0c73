// One request as a handler sees it: decoded, bounded, owning its bytes. Built by the HTTP layer, by hand in tests.
// A handler gets it by const reference for the duration of the call and copies what must live longer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/headers.hpp"

namespace qarax::http {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // as sent; HEAD stays HEAD although the GET handler runs
  std::string path;    // percent-decoded, valid UTF-8, no control characters, no "." or ".." segment
  std::string target;  // path and query as sent
  NamedValues params;  // the pattern's {name} segments, in order
  NamedValues query;   // decoded, in order, duplicates kept
  Headers headers;
  std::string body;
  std::string request_id;  // 1–128 visible ASCII characters; the HTTP layer echoes it
  std::string peer;        // "127.0.0.1:40312"
  std::string_view route;  // the pattern that matched ("/vms/{id}"), lives as long as the router
  bool tls = false;
  bool is_authenticated = true;  // false: at an open route, from somebody without the credentials that others ask for
  int minor_version = 1;         // HTTP/1.<minor>

  // The value of {name} in the matched pattern; empty only if the pattern has no such segment.
  std::string_view param(std::string_view name) const noexcept { return first(params, name).value_or(""); }
  // The first value of ?name=, nullopt if absent ("?name" alone is present and empty).
  std::optional<std::string_view> query_value(std::string_view name) const noexcept { return first(query, name); }
  // Only the first line of that name; for a field that is a list use header_list().
  std::optional<std::string_view> header(std::string_view name) const noexcept { return headers.find(name); }
  std::optional<std::string> header_list(std::string_view name) const { return headers.joined(name); }

 private:
  static std::optional<std::string_view> first(const NamedValues& values, std::string_view name) noexcept {
    for (const auto& [key, value] : values) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

}  // namespace qarax::http
