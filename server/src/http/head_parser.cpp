#include "http/head_parser.hpp"

#include <cstring>

#include "http/target.hpp"
#include "http/text.hpp"

namespace qarax::http {
namespace {

constexpr Fault bad(std::string_view detail) { return {"bad-request", detail}; }

// Removes the line up to CRLF from `head`; find_head_end has made sure that every LF follows a CR.
std::string_view take_line(std::string_view& head) {
  const std::size_t end = head.find('\n');
  const std::string_view line = head.substr(0, end - 1);
  head.remove_prefix(end + 1);
  return line;
}

bool is_visible(std::string_view text) noexcept {
  for (const char c : text) {
    if (c <= 0x20 || c == 0x7F) return false;  // bytes above 0x7F are negative chars and so refused too
  }
  return true;
}

bool is_field_value(std::string_view text) noexcept {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20U && c != '\t') || byte == 0x7FU) return false;
  }
  return true;
}

std::optional<Fault> parse_request_line(std::string_view line, const HeadLimits& limits, Request& request,
                                        Framing& framing, std::string_view& authority) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("the request line is not 'METHOD target HTTP/1.1'");
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (method.empty() || method.size() > 32) return bad("the method is empty or too long");
  for (const char c : method) {
    if (!is_token_char(c)) return bad("the method has a character that no method has");
  }
  request.method.assign(method);
  if (version == "HTTP/1.1") {
    framing.minor_version = 1;
  } else if (version == "HTTP/1.0") {
    framing.minor_version = 0;
  } else if (version.starts_with("HTTP/") && version.size() <= 8) {
    return Fault{"version-unsupported", "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  } else {
    return bad("the request line does not end in 'HTTP/1.1'");
  }
  if (target.size() > limits.max_target) return Fault{"uri-too-long", "the request target is over the limit"};
  if (!is_visible(target)) return bad("the request target has a blank, a control character or an unencoded byte");
  // Absolute form, as clients send it to a proxy: the authority replaces the Host field.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() > scheme.size() && equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const std::size_t slash = target.find_first_of("/?");
      authority = target.substr(0, slash);
      if (authority.empty() || authority.find('@') != std::string_view::npos)
        return bad("the target's authority is malformed");
      if (slash == std::string_view::npos || target[slash] == '?')
        return Fault{"bad-path", "the absolute target has no path"};
      target.remove_prefix(slash);
      break;
    }
  }
  if (target == "*" && method != "OPTIONS") return Fault{"bad-path", "the target '*' is for OPTIONS only"};
  return parse_target(target, request);
}

std::optional<Fault> parse_fields(std::string_view head, const HeadLimits& limits, Headers& headers) {
  while (true) {
    const std::string_view line = take_line(head);
    if (line.empty()) return std::nullopt;
    if (line.front() == ' ' || line.front() == '\t') return bad("a header field is folded over two lines");
    if (headers.size() == limits.max_fields) return Fault{"header-too-large", "the request has too many header fields"};
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return bad("a header line has no 'name:'");
    const std::string_view name = line.substr(0, colon);
    for (const char c : name) {
      if (!is_token_char(c)) return bad("a header name has a blank or another character that no name has");
    }
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    if (!is_field_value(value)) return bad("a header value has a control character");
    headers.add(name, value);
  }
}

std::optional<Fault> parse_length(std::string_view text, std::uint64_t& length) {
  if (text.empty() || text.size() > 18) return bad("Content-Length is not a number of at most 18 digits");
  length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return bad("Content-Length is not a plain decimal number");
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return std::nullopt;
}

// Calls `use` with each comma-separated element of the list.
template <class Use>
void for_each_element(std::string_view list, Use use) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    use(trim_blanks(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

struct Seen {
  int host = 0;
  int length = 0;
  int coding = 0;
  std::string_view length_text;
  std::string_view coding_text;
  bool close = false;
  bool keep_alive = false;
  bool bad_expectation = false;
};

Seen look_at_fields(const Headers& headers, Framing& framing) {
  Seen seen;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers[i];
    switch (name.size()) {  // the length alone distinguishes most names
      case 4:
        seen.host += equals_ignoring_case(name, "Host") ? 1 : 0;
        break;
      case 6:
        if (equals_ignoring_case(name, "Expect")) {
          framing.expect_continue = equals_ignoring_case(value, "100-continue");
          seen.bad_expectation = seen.bad_expectation || !framing.expect_continue;
        }
        break;
      case 10:
        if (equals_ignoring_case(name, "Connection")) {
          for_each_element(value, [&](std::string_view option) {
            seen.close = seen.close || equals_ignoring_case(option, "close");
            seen.keep_alive = seen.keep_alive || equals_ignoring_case(option, "keep-alive");
          });
        }
        break;
      case 14:
        if (equals_ignoring_case(name, "Content-Length")) {
          ++seen.length;
          seen.length_text = value;
        }
        break;
      case 17:
        if (equals_ignoring_case(name, "Transfer-Encoding")) {
          ++seen.coding;
          seen.coding_text = value;
        }
        break;
      default:
        break;
    }
  }
  return seen;
}

std::optional<Fault> decide_framing(const Headers& headers, Framing& framing) {
  const Seen seen = look_at_fields(headers, framing);
  if (seen.host > 1 || (seen.host == 0 && framing.minor_version == 1))
    return bad("the request needs exactly one Host field");
  if (seen.length > 0 && seen.coding > 0) return bad("the request has both Content-Length and Transfer-Encoding");
  if (seen.length > 1) return bad("the request has more than one Content-Length");
  if (seen.coding > 1) return bad("the request has more than one Transfer-Encoding");
  if (seen.coding == 1) {
    if (framing.minor_version == 0) return bad("Transfer-Encoding in an HTTP/1.0 request");
    if (!equals_ignoring_case(seen.coding_text, "chunked")) {
      return Fault{"transfer-coding-unsupported", "the only transfer coding understood is 'chunked'"};
    }
    framing.body = Framing::Body::chunked;
  } else if (seen.length == 1) {
    if (auto fault = parse_length(seen.length_text, framing.length)) return fault;
    if (framing.length > 0) framing.body = Framing::Body::length;
  }
  if (seen.bad_expectation)
    return Fault{"expectation-failed", "the Expect field asks for something other than 100-continue"};
  framing.expect_continue =
      framing.expect_continue && framing.minor_version == 1 && framing.body != Framing::Body::none;
  framing.keep_alive = framing.minor_version == 1 ? !seen.close : seen.keep_alive && !seen.close;
  return std::nullopt;
}

}  // namespace

HeadEnd find_head_end(std::string_view buffer, const HeadLimits& limits, std::size_t& scanned) {
  if (scanned == 0 && !buffer.empty() && !is_token_char(buffer.front())) {
    return {0, bad("the first byte begins no HTTP request; is the client speaking TLS or another protocol?")};
  }
  while (true) {
    const std::size_t end = buffer.find('\n', scanned);
    if (end == std::string_view::npos) break;
    if (end == 0 || buffer[end - 1] != '\r') return {0, bad("a line ends in LF without CR")};
    scanned = end + 1;
    // The previous line ended at end - 2: "\r\n\r\n".
    if (end >= 3 && buffer[end - 2] == '\n') {
      if (scanned > limits.max_bytes) break;
      return {scanned, std::nullopt};
    }
  }
  if (buffer.size() >= limits.max_bytes) {
    if (buffer.find('\n') == std::string_view::npos)
      return {0, Fault{"uri-too-long", "the request line is over the limit"}};
    return {0, Fault{"header-too-large", "the request line and header fields are over the limit"}};
  }
  // The tail has no LF, so the next scan may skip it. A non-empty buffer also makes `scanned` non-zero, so that the
  // check of the first byte above runs only once.
  scanned = buffer.size();
  return {};
}

std::optional<Fault> parse_head(std::string_view head, const HeadLimits& limits, Request& request, Framing& framing) {
  std::string_view authority;
  const std::string_view line = take_line(head);
  // Parse the fields even if the line is refused, because the answer echoes X-Request-Id.
  const std::optional<Fault> line_fault = parse_request_line(line, limits, request, framing, authority);
  const std::optional<Fault> field_fault = parse_fields(head, limits, request.headers);
  if (line_fault) return line_fault;
  if (field_fault) return field_fault;
  if (auto fault = decide_framing(request.headers, framing)) return fault;
  if (!authority.empty()) request.headers.set("Host", authority);
  return std::nullopt;
}

}  // namespace qarax::http
