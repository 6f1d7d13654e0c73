// HTTP/1.1 over a unix socket, one connection a request or one that is kept, for VMMs that are driven that way. A peer
// that hangs, talks garbage or hangs up is an error within the call's limits. The client is thread-safe, a connection
// isn't.
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
  std::size_t size = 0;  // of all of it, as it was received
};

// One request after the other. After an error it is good for nothing any more.
class UnixHttpConnection {
 public:
  UnixHttpConnection(Socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}

  // As UnixHttpClient's. INTERNAL also where the peer has said something that it wasn't asked for: it would be taken
  // for this request's reply.
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

  // Any status is a reply. NOT_FOUND: no socket. UNAVAILABLE: nobody there, or hung up. DEADLINE_EXCEEDED, CANCELLED:
  // the call's, or `most_ms` from now. INTERNAL: what came isn't HTTP. `fds` go along with the first byte.
  Result<HttpReply> request(const Call& call, std::string_view method, std::string_view path, std::string_view body,
                            int most_ms, const std::vector<int>& fds = {}) const;
  // NOT_FOUND: no socket. UNAVAILABLE: nobody there.
  Result<UnixHttpConnection> connect() const;

 private:
  const std::string folder_;
  const std::string name_;
  const std::string peer_;
};

// What came so far: a whole reply; nothing where more must come; INTERNAL where it can't become one. Pure. `ended`: the
// peer has closed its side.
Result<std::optional<HttpReply>> parse_http_reply(std::string_view received, bool ended);

}  // namespace qarax::plugin
