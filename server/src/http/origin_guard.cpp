#include "http/origin_guard.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "http/text.hpp"

namespace qarax::http {
namespace {

struct Authority {
  std::string_view host;  // without brackets
  std::optional<std::uint16_t> port;
};

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

bool is_literal(std::string_view host, int family) noexcept {
  std::array<char, INET6_ADDRSTRLEN + 1> text{};
  std::array<unsigned char, 16> address{};
  if (host.empty() || host.size() >= text.size()) return false;
  std::copy(host.begin(), host.end(), text.begin());
  return ::inet_pton(family, text.data(), address.data()) == 1;
}

std::optional<Authority> parse_authority(std::string_view text) noexcept {
  Authority authority;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(1, end - 1);
    if (!is_literal(authority.host, AF_INET6)) return std::nullopt;
    text.remove_prefix(end + 1);
    if (text.empty()) return authority;
    if (text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
  } else {
    const std::size_t colon = text.find(':');
    authority.host = text.substr(0, colon);
    if (authority.host.empty()) return std::nullopt;
    if (colon == std::string_view::npos) return authority;
    text.remove_prefix(colon + 1);
  }
  authority.port = parse_port(text);
  if (!authority.port) return std::nullopt;
  return authority;
}

// Of DNS names, and of the names that Docker's networks give. A page's URL has only these, so any other can't be meant.
bool is_name(std::string_view host) noexcept {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
}

// One of `allowed_hosts`; nullopt where no Host could ever be equal to that.
std::optional<Authority> parse_entry(std::string_view entry) noexcept {
  if (is_literal(entry, AF_INET6)) return Authority{entry, std::nullopt};
  auto authority = parse_authority(entry);
  if (authority && !is_name(authority->host) && !is_literal(authority->host, AF_INET6)) return std::nullopt;
  return authority;
}

bool is_loopback(std::string_view host) noexcept {
  if (equals_ignoring_case(host, "localhost") || host == "::1" || host == "127.0.0.1") return true;
  return host.starts_with("127.") && is_literal(host, AF_INET);
}

// Two loopback names with the same port, e.g. 127.0.0.1 and localhost, are the same server.
bool is_same_server(std::string_view page, std::string_view host) noexcept {
  if (equals_ignoring_case(page, host)) return true;
  const auto one = parse_authority(page);
  const auto other = parse_authority(host);
  return one && other && is_loopback(one->host) && is_loopback(other->host) && one->port == other->port;
}

}  // namespace

OriginGuard::OriginGuard(std::string_view listen_host, const std::vector<std::string>& allowed_hosts) {
  if (listen_host == "0.0.0.0" || listen_host == "::" || listen_host == "*") {
    any_literal_ = true;
  } else {
    listen_host_ = listen_host;
  }
  for (const std::string& entry : allowed_hosts) {
    if (const auto authority = parse_entry(entry)) allowed_.push_back({std::string(authority->host), authority->port});
  }
}

bool OriginGuard::is_host(std::string_view entry) noexcept { return parse_entry(entry).has_value(); }

bool OriginGuard::allows(std::string_view text) const noexcept {
  const auto authority = parse_authority(text);
  if (!authority) return false;
  const std::string_view host = authority->host;
  if (is_loopback(host)) return true;
  if (any_literal_ && (is_literal(host, AF_INET) || is_literal(host, AF_INET6))) return true;
  return equals_ignoring_case(listen_host_, host) || is_named(text);
}

bool OriginGuard::is_named(std::string_view text) const noexcept {
  const auto authority = parse_authority(text);
  if (!authority) return false;
  const std::string_view host = authority->host;
  return std::any_of(allowed_.begin(), allowed_.end(), [&](const Allowed& allowed) {
    return equals_ignoring_case(allowed.host, host) && (!allowed.port || allowed.port == authority->port);
  });
}

std::optional<Problem> OriginGuard::check(const Request& request) const {
  // HTTP/1.0 allows a request without Host; only tools send that, never a browser.
  if (const auto host = request.header("Host"); host && !allows(*host)) {
    return Problem("forbidden-host", "the Host '" + std::string(*host) + "' is not a name of this server");
  }
  if (const auto origin = request.header("Origin")) {
    // Only pages of this server, or of the hosts that its config names. Another port of this machine or another address
    // literal is somebody else's page.
    const std::size_t scheme = origin->find("://");
    const bool web = origin->starts_with("http://") || origin->starts_with("https://");
    const std::string_view page = web ? origin->substr(scheme + 3) : std::string_view();
    const auto host = request.header("Host");
    if (!web || !((host && is_same_server(page, *host)) || is_named(page))) {
      return Problem("forbidden-origin", "pages of the origin '" + std::string(*origin) + "' may not use this server");
    }
  }
  return std::nullopt;
}

}  // namespace qarax::http
