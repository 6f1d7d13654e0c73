// Conditional requests (RFC 9110): entity tags of single objects, If-None-Match, If-Match.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "handlers/answer.hpp"

namespace qarax::server {

// Identifies one state of an object, also across restarts of the server: derived only from what is shown.
struct EntityTag {
  std::string asked;     // fingerprint of the stored part, which users and their jobs change
  std::string seen;      // fingerprint of everything that is shown
  bool is_known = true;  // false: `seen` doesn't count, e.g. no node has reported since the server's start

  std::string text() const { return "\"" + asked + "-" + seen + "\""; }
};

// The tag of an object without observed state, i.e. everything shown is stored: both parts cover the whole document.
EntityTag tag_of_document(const std::string& document);

// The reply to a GET: 304 without a body if If-None-Match names this version.
http::Response show(const http::Request& request, const std::string& etag, std::string document);
// The same for a document whose tag is that of tag_of_document().
http::Response show(const http::Request& request, std::string document);

// 412 if the request has If-Match and `tag` isn't in it. While !tag.is_known only the part `asked` is compared, so that
// a client that saw the object before the server's restart isn't refused just because its host hasn't reported yet.
std::optional<http::Response> refuse_unmatched(const http::Request& request, const EntityTag& tag);

// Whether the answer is a 412, from refuse_unmatched() or as an Error of the change itself.
bool is_unmatched(const Answer& answer);

// Repeats `attempt` after a 412 to a request with If-Match: a report may have arrived between the check of the tag and
// the change, and only the tag decides whether the object has changed for the client.
template <class Attempt>
Answer while_matched(const http::Request& request, Attempt attempt) {
  constexpr int kAttempts = 8;
  Answer answer = attempt();
  for (int i = 1; i < kAttempts && is_unmatched(answer) && request.header("If-Match"); ++i) answer = attempt();
  return answer;
}

// Returns `version` if the request has an If-Match other than "*", so that the change itself can check it again.
template <class Version>
std::optional<Version> expected(const http::Request& request, Version version) {
  return request.header_list("If-Match").value_or("*") == "*" ? std::nullopt : std::optional<Version>(version);
}

// Whether the list in `field` names the tag; weak tags (W/…) match only if `weak` is true.
bool names_etag(std::string_view field, std::string_view etag, bool weak);

}  // namespace qarax::server
