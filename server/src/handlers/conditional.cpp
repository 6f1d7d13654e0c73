#include "handlers/conditional.hpp"

#include <algorithm>

#include "http/text.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

bool names_etag(std::string_view field, std::string_view etag, bool weak) {
  if (http::trim_blanks(field) == "*") return true;
  // The server's tags contain no comma, so splitting at commas can't break a matching tag.
  while (!field.empty()) {
    const std::size_t end = std::min(field.find(','), field.size());
    std::string_view one = http::trim_blanks(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    if (one.starts_with("W/")) {
      if (!weak) continue;
      one.remove_prefix(2);
    }
    if (one == etag) return true;
  }
  return false;
}

EntityTag tag_of_document(const std::string& document) {
  EntityTag out;
  out.asked = out.seen = core::fingerprint(document);
  return out;
}

http::Response show(const http::Request& request, const std::string& etag, std::string document) {
  const auto known = request.header_list("If-None-Match");
  auto response =
      known && names_etag(*known, etag, true) ? http::Response::empty(304) : http::Response::json(std::move(document));
  response.headers.set("ETag", etag);
  return response;
}

http::Response show(const http::Request& request, std::string document) {
  const std::string etag = tag_of_document(document).text();
  return show(request, etag, std::move(document));
}

namespace {

constexpr std::string_view kUnmatched = "precondition-failed";  // the only problem of status 412

// Whether the field names a tag whose first part is `asked`.
bool names_asked(std::string_view field, const std::string& asked) {
  const std::string begin = "\"" + asked + "-";
  while (!field.empty()) {
    const std::size_t end = std::min(field.find(','), field.size());
    if (http::trim_blanks(field.substr(0, end)).starts_with(begin)) return true;
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  return false;
}

}  // namespace

std::optional<http::Response> refuse_unmatched(const http::Request& request, const EntityTag& tag) {
  const auto wanted = request.header_list("If-Match");
  const std::string etag = tag.text();
  if (!wanted || names_etag(*wanted, etag, false)) return std::nullopt;
  if (!tag.is_known && names_asked(*wanted, tag.asked)) return std::nullopt;
  auto response = refuse(request, make_error(Code::aborted,
                                             request.path + " is version " + etag + " by now, If-Match names " +
                                                 *wanted + "; nothing was changed",
                                             std::string(kUnmatched)));
  response.headers.set("ETag", etag);
  return response;
}

bool is_unmatched(const Answer& answer) { return answer ? answer->status == 412 : answer.error().reason == kUnmatched; }

}  // namespace qarax::server
