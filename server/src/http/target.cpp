#include "http/target.hpp"

#include "http/text.hpp"

namespace qarax::http {
namespace {

bool has_control(std::string_view text) noexcept {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7F) return true;
  }
  return false;
}

// False if a '%' is not followed by two hex digits.
bool percent_decode(std::string_view text, bool plus_is_blank, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_blank && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return true;
}

std::optional<Fault> parse_path(std::string_view raw, std::string& path) {
  if (raw.find('%') == std::string_view::npos) {
    path.assign(raw);
  } else {
    // An encoded separator would make the decoded path ambiguous.
    for (std::size_t at = raw.find('%'); at != std::string_view::npos; at = raw.find('%', at + 1)) {
      const std::string_view code = raw.substr(at, 3);
      if (equals_ignoring_case(code, "%2f") || equals_ignoring_case(code, "%5c")) {
        return Fault{"bad-path", "the path has an encoded '/' or '\\' inside a segment"};
      }
    }
    if (!percent_decode(raw, false, path))
      return Fault{"bad-path", "the path has a '%' without two hex digits after it"};
  }
  if (has_control(path)) return Fault{"bad-path", "the path has a control character"};
  if (path.find('\\') != std::string::npos) return Fault{"bad-path", "the path has a backslash"};
  if (!is_utf8(path)) return Fault{"bad-path", "the path is not UTF-8"};
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t next = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = std::string_view(path).substr(at + 1, next - at - 1);
    if (segment == "." || segment == "..") return Fault{"bad-path", "the path has a '.' or '..' segment"};
    at = next;
  }
  return std::nullopt;
}

std::optional<Fault> parse_query(std::string_view raw, NamedValues& query) {
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('&'), raw.size());
    const std::string_view pair = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name;
    std::string value;
    if (!percent_decode(pair.substr(0, equals), true, name) ||
        !percent_decode(pair.substr(std::min(equals + 1, pair.size())), true, value)) {
      return Fault{"bad-query", "the query has a '%' without two hex digits after it"};
    }
    if (has_control(name) || has_control(value)) return Fault{"bad-query", "the query has a control character"};
    if (!is_utf8(name) || !is_utf8(value)) return Fault{"bad-query", "the query is not UTF-8"};
    query.emplace_back(std::move(name), std::move(value));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> parse_target(std::string_view target, Request& request) {
  request.target.assign(target);
  request.query.clear();
  if (target == "*") {
    request.path.assign("*");
    return std::nullopt;
  }
  if (target.empty() || target.front() != '/') return Fault{"bad-path", "the request target does not begin with '/'"};
  if (target.find('#') != std::string_view::npos) return Fault{"bad-path", "the request target has a fragment"};
  const std::size_t question = target.find('?');
  if (auto fault = parse_path(target.substr(0, question), request.path)) return fault;
  if (question == std::string_view::npos) return std::nullopt;
  return parse_query(target.substr(question + 1), request.query);
}

}  // namespace qarax::http
