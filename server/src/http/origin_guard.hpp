// Refuses requests that a foreign web page could have made a browser send: the Host must be a name of this server (a
// rebound DNS name isn't), and the Origin, if present, must match that Host or a name in the config. Such a name is for
// pages behind a proxy that changes the Host, and for WebSockets: no CORS headers are sent, so that a browser keeps
// every other answer from a page of another origin. Immutable, any thread.
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
  // "name" (any port) or "name:port"; IPv6 literals in brackets or bare. If the server listens on a wildcard address,
  // any IP literal is allowed as Host too: a page can rebind a name but never a literal. An entry that isn't a host
  // allows nothing; the config refuses such an entry by is_host().
  OriginGuard(std::string_view listen_host, const std::vector<std::string>& allowed_hosts);

  // Whether `entry` is of the form that `allowed_hosts` takes.
  static bool is_host(std::string_view entry) noexcept;

  std::optional<Problem> check(const Request& request) const;

  // Whether the Host "name[:port]" is allowed. Also for tests.
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
