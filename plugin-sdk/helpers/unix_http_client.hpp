// HTTP/1.1 over a unix socket, one connection a request, for VMMs that are driven that way. A peer that hangs, talks
// garbage or hangs up is an error within the call's limits. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/call.hpp"

namespace qarax::plugin {

struct HttpReply {
  int status = 0;
  std::string body{};
};

class UnixHttpClient {
 public:
  // The socket's folder and name; `peer` is what errors call the other side ("Cloud Hypervisor").
  UnixHttpClient(std::string folder, std::string name, std::string peer)
      : folder_(std::move(folder)), name_(std::move(name)), peer_(std::move(peer)) {}

  // Any status is a reply. NOT_FOUND: no socket. UNAVAILABLE: nobody there, or hung up. DEADLINE_EXCEEDED, CANCELLED:
  // the call's, or `most_ms` from now. INTERNAL: what came isn't HTTP. `fds` go along with the first byte.
  Result<HttpReply> request(const Call& call, std::string_view method, std::string_view path, std::string_view body,
                            int most_ms, const std::vector<int>& fds = {}) const;

 private:
  const std::string folder_;
  const std::string name_;
  const std::string peer_;
};

// What came so far: a whole reply; nothing where more must come; INTERNAL where it can't become one. Pure. `ended`: the
// peer has closed its side.
Result<std::optional<HttpReply>> parse_http_reply(std::string_view received, bool ended);

}  // namespace qarax::plugin
