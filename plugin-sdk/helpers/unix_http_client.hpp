// HTTP/1.1 over a unix socket, for VMMs that are driven that way; with a connection per request, or one that is reused.
// A peer that hangs, sends garbage or closes the connection gives an error within the call's limits. The client is
// thread-safe, a connection isn't.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/call.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin {

struct HttpReply {
  int status = 0;
  std::string body{};
  std::size_t size = 0;  // bytes of the whole reply, head and body
};

// One request at a time. Unusable after an error.
class UnixHttpConnection {
 public:
  UnixHttpConnection(Socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}

  // As UnixHttpClient::request. Also INTERNAL if the peer has sent something unasked: it would be taken for the reply
  // to this request.
  Result<HttpReply> request(const Call& call, std::string_view method, std::string_view path, std::string_view body,
                            int most_ms, const std::vector<int>& fds = {});

 private:
  Status send(const Call& call, const std::string& request, std::int64_t until_ns, const std::string& what,
              const std::vector<int>& fds);
  Socket socket_;
  std::string peer_;
  std::string received_;
  bool used_ = false;
};

class UnixHttpClient {
 public:
  // The socket's folder and name; `peer` is what errors call the other side ("Cloud Hypervisor").
  UnixHttpClient(std::string folder, std::string name, std::string peer)
      : folder_(std::move(folder)), name_(std::move(name)), peer_(std::move(peer)) {}

  // Any HTTP status is a reply. NOT_FOUND: no socket. UNAVAILABLE: nobody listens, or the peer hung up. CANCELLED: the
  // call was. DEADLINE_EXCEEDED: no reply within the call's deadline or `most_ms` milliseconds. INTERNAL: the reply
  // isn't HTTP. `fds` are sent with the first byte.
  Result<HttpReply> request(const Call& call, std::string_view method, std::string_view path, std::string_view body,
                            int most_ms, const std::vector<int>& fds = {}) const;
  // NOT_FOUND: no socket. UNAVAILABLE: nobody listens.
  Result<UnixHttpConnection> connect() const;

 private:
  const std::string folder_;
  const std::string name_;
  const std::string peer_;
};

// Parses the bytes received so far. nullopt: the reply isn't complete yet. INTERNAL: it can't become a reply.
// UNAVAILABLE: `ended`, which means that the peer has closed its side, and the reply isn't complete. Pure.
Result<std::optional<HttpReply>> parse_http_reply(std::string_view received, bool ended);

}  // namespace qarax::plugin
