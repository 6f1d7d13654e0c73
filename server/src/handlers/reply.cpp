#include "handlers/reply.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "api/system.hpp"
#include "http/text.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

Error bad_query(std::string_view name, std::string_view takes, std::string_view value) {
  return make_error(
      Code::invalid_argument,
      "the query's " + std::string(name) + " takes " + std::string(takes) + ", got \"" + std::string(value) + "\"",
      "bad-query");
}

// Calls `visit` with each element of a field split at `separator`, blanks trimmed.
template <class Visit>
void for_each_element(std::string_view field, char separator, Visit visit) {
  while (!field.empty()) {
    const std::size_t end = std::min(field.find(separator), field.size());
    visit(http::trim_blanks(field.substr(0, end)));
    field.remove_prefix(std::min(end + 1, field.size()));
  }
}

// The quality that `accept` gives to a media type, by the most specific matching range; 0 if none matches.
double quality_of(std::string_view accept, std::string_view type) {
  const std::string_view family = type.substr(0, type.find('/'));
  double quality = 0;
  int best = 0;
  for_each_element(accept, ',', [&](std::string_view element) {
    const std::size_t semicolon = std::min(element.find(';'), element.size());
    const std::string_view range = http::trim_blanks(element.substr(0, semicolon));
    int rank = 0;
    if (http::equals_ignoring_case(range, type))
      rank = 3;
    else if (range.size() == family.size() + 2 && range.ends_with("/*") &&
             http::equals_ignoring_case(range.substr(0, family.size()), family))
      rank = 2;
    else if (range == "*/*")
      rank = 1;
    if (rank <= best) return;
    best = rank;
    quality = 1;
    for_each_element(element.substr(semicolon), ';', [&](std::string_view parameter) {
      if (parameter.starts_with("q=") || parameter.starts_with("Q="))
        quality = std::strtod(std::string(parameter.substr(2)).c_str(), nullptr);
    });
  });
  return quality;
}

Result<std::optional<std::int64_t>> number_of(const http::Request& request, std::string_view name, std::int64_t least) {
  const auto value = request.query_value(name);
  if (!value) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto parsed = std::from_chars(value->data(), value->data() + value->size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != value->data() + value->size() || number < least)
    return bad_query(name, "a whole number of at least " + std::to_string(least), *value);
  return std::optional<std::int64_t>(number);
}

}  // namespace

Result<std::string> id_of(const http::Request& request, std::string_view name) {
  const std::string_view id = request.param(name);
  if (!core::is_uuid(id))
    return make_error(Code::invalid_argument, "\"" + std::string(id.substr(0, 80)) + "\" is not a UUID", "bad-uuid");
  return core::to_lower(id);
}

Result<bool> flag_of(const http::Request& request, std::string_view name) {
  const auto value = request.query_value(name);
  if (!value) return false;
  if (value->empty() || *value == "true" || *value == "1") return true;
  if (*value == "false" || *value == "0") return false;
  return bad_query(name, "true or false", *value);
}

Result<std::optional<std::int64_t>> count_of(const http::Request& request, std::string_view name) {
  return number_of(request, name, 1);
}

Result<std::optional<std::int64_t>> size_of(const http::Request& request, std::string_view name) {
  return number_of(request, name, 0);
}

Result<std::chrono::milliseconds> duration_of(const http::Request& request, std::string_view name,
                                              std::chrono::milliseconds otherwise, std::chrono::minutes most) {
  const auto value = request.query_value(name);
  if (!value) return otherwise;
  const std::int64_t most_ms = std::chrono::milliseconds(most).count();
  std::int64_t number = 0;
  const auto parsed = std::from_chars(value->data(), value->data() + value->size(), number);
  const std::string_view unit = value->substr(static_cast<std::size_t>(parsed.ptr - value->data()));
  const std::int64_t factor = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : 0;
  if (parsed.ec != std::errc{} || factor == 0 || number < 0 || number > most_ms / factor)
    return bad_query(name, "a time of at most " + std::to_string(most.count()) + "m, such as 500ms, 30s or 1m", *value);
  return std::chrono::milliseconds(number * factor);
}

bool prefers_json(const http::Request& request) {
  const auto accept = request.header_list("Accept");
  return accept && quality_of(*accept, "application/json") > quality_of(*accept, "text/plain");
}

bool prefers_async(const http::Request& request) {
  bool found = false;
  for_each_element(request.header_list("Prefer").value_or(""), ',', [&](std::string_view element) {
    found = found ||
            http::equals_ignoring_case(
                http::trim_blanks(element.substr(0, std::min(element.find(';'), element.size()))), "respond-async");
  });
  return found;
}

http::Response created(const http::Request& request, const std::string& location, const std::string& id,
                       std::string document) {
  auto response =
      prefers_json(request) ? http::Response::json(std::move(document), 201) : http::Response::text(id, 201);
  response.headers.set("Location", location);
  return response;
}

http::Response accepted(const std::string& job_id) {
  auto response = http::Response::json(encode(api::Accepted{job_id}, Defaults::write), 202);
  response.headers.set("Location", "/jobs/" + job_id);
  response.headers.set("Preference-Applied", "respond-async");
  return response;
}

Answer accepted(Result<JobPtr> begun) {
  if (!begun) return std::move(begun).error();
  return accepted((*begun)->id);
}

}  // namespace qarax::server
