// Conditional requests (RFC 9110): entity tags of single objects, If-None-Match, If-Match.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::server {

// What names one state of an object, over restarts of the server too: made of what is shown and of nothing else.
struct EntityTag {
  std::string asked;     // of what users and their jobs have made of it, as it is stored
  std::string seen;      // of all that is shown
  bool is_known = true;  // false: nobody has said since the server's start what there is to be seen

  std::string text() const { return "\"" + asked + "-" + seen + "\""; }
};

// Of what has no part that only a look at a host would tell: everything that is shown counts.
EntityTag tag_of_document(const std::string& document);

// The reply of a GET: 304 without a body where the client has this very version.
http::Response show(const http::Request& request, const std::string& etag, std::string document);
// Of what tag_of_document() is the tag of.
http::Response show(const http::Request& request, std::string document);

// 412 where the request names versions and `tag` isn't among them. Of an object that isn't known yet only what users
// have made of it counts: a client that has seen it before the server's restart isn't refused because its host hasn't
// been heard.
std::optional<http::Response> refuse_unmatched(const http::Request& request, const EntityTag& tag);

// Once more where a report came in between the look and the change: it is a change, or none, by the tag alone.
template <class Attempt>
http::Response while_matched(const http::Request& request, Attempt attempt) {
  constexpr int kAttempts = 8;
  auto response = attempt();
  for (int i = 1; i < kAttempts && response.status == 412 && request.header("If-Match"); ++i) response = attempt();
  return response;
}

// `version` where the request holds the object to what its client has seen: to be checked again with the change.
template <class Version>
std::optional<Version> expected(const http::Request& request, Version version) {
  return request.header("If-Match").value_or("*") == "*" ? std::nullopt : std::optional<Version>(version);
}

// Whether the field's list names the tag; a weak one counts only where `weak` says so.
bool names_etag(std::string_view field, std::string_view etag, bool weak);

}  // namespace qarax::server
