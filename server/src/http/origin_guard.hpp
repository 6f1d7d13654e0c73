// Refuses requests that a foreign web page could have made a browser send: the Host must be a name of this server (a
// rebound DNS name isn't), and an Origin, where there is one, must be that Host's, or one of the config's names.
// Immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/problem.hpp"
#include "http/request.hpp"

namespace qarax::http {

class OriginGuard {
 public:
  // Allowed besides loopback names and addresses: `listen_host` unless it is a wildcard, and `allowed_hosts`, each
  // "name" (any port) or "name:port"; IPv6 literals in brackets or bare. On a wildcard address an IP literal as Host is
  // allowed too: a page can rebind a name, never a literal.
  OriginGuard(std::string_view listen_host, const std::vector<std::string>& allowed_hosts);

  std::optional<Problem> check(const Request& request) const;

  // For tests and for the config's check: "name[:port]" → allowed?
  bool allows(std::string_view authority) const noexcept;

 private:
  bool is_named(std::string_view authority) const noexcept;

  struct Allowed {
    std::string host;
    std::optional<std::uint16_t> port;
  };
  std::vector<Allowed> allowed_;
  std::string listen_host_;
  bool any_literal_ = false;
};

}  // namespace qarax::http
