// Conditional requests (RFC 9110): entity tags of single objects, If-None-Match, If-Match.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::server {

// The reply of a GET: 304 without a body where the client has this very version.
http::Response show(const http::Request& request, const std::string& etag, std::string document);

// 412 where the request names versions and `etag` isn't among them.
std::optional<http::Response> refuse_unmatched(const http::Request& request, const std::string& etag);

// `version` where the request holds the object to what its client has seen: to be checked again with the change.
template <class Version>
std::optional<Version> expected(const http::Request& request, Version version) {
  return request.header("If-Match").value_or("*") == "*" ? std::nullopt : std::optional<Version>(version);
}

// Whether the field's list names the tag; a weak one counts only where `weak` says so.
bool names_etag(std::string_view field, std::string_view etag, bool weak);

}  // namespace qarax::server
