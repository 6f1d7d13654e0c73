// HTTP(S) client for one server: requests, their time limits, and what each failure means for the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "document.hpp"
#include "qarax/result.hpp"

namespace qarax::cli {

using Clock = std::chrono::steady_clock;

struct Endpoint {
  std::string url;  // as given, without a trailing slash; used in messages
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string prefix;  // prepended to every path, for a server behind a proxy: "" or "/qarax"
};

// Parses "http://host:port" or "https://host/prefix". Errors have the reason kUsage.
Result<Endpoint> parse_endpoint(const std::string& url);

// Whether `token` may be sent to `endpoint`: only over TLS or to this machine itself. The error has the reason kUsage.
Status check_token_way(const Endpoint& endpoint, const std::string& token);

// Percent-encodes one segment of a path or one value of a query.
std::string percent_encoded(std::string_view text);

struct Request {
  std::string method = "GET";
  std::string path;                          // includes the query
  std::string body{};                        // JSON; empty: no body
  bool respond_async = false;                // sends Prefer: respond-async
  std::optional<Clock::time_point> until{};  // deadline; absent: the client's own limit
};

struct Reply {
  int status = 0;
  std::string body;
  std::string next{};  // path of the list's next page; empty: none
};

// How following a reply ended.
enum class StreamEnd { stopped, ended, timed_out };

// How long a reply is followed; absent: no limit.
struct FollowLimits {
  std::optional<Clock::time_point> until{};  // only limits the wait for the guest: the end is StreamEnd::timed_out
  // Without a byte for so long the connection has broken: kUnreachable. For replies with a heartbeat only. Poco 1.11
  // takes up to twice as long over TLS.
  std::optional<std::chrono::milliseconds> silence{};
};

// Not thread-safe. Each call makes a connection of its own, as a process makes only a few calls.
// Errors: a problem of the server as made by problem_error; kUnreachable if nobody answers or the connection breaks;
// kTimeout if the answer doesn't come in time, in which case the server may still carry out the request.
class ApiClient {
 public:
  // `wait` is the time limit of a call. `token` and `ca_file` may be empty.
  ApiClient(Endpoint endpoint, std::string token, std::string ca_file, std::chrono::milliseconds wait);

  // Returns the reply if its status is 2xx.
  Result<Reply> call(const Request& request);
  // Sends a GET and parses the reply as JSON.
  Result<Document> get(const std::string& path);
  // Reads all pages of a list into one array.
  Result<Document> get_all(const std::string& path);

  // Passes the reply's bytes to `take` as they arrive, until it returns false (stopped), the server ends the reply
  // (ended) or limits.until has passed (timed_out). A server whose host is gone is kUnreachable after kHostGone.
  Result<StreamEnd> follow(const std::string& path, const FollowLimits& limits,
                           const std::function<bool(std::string_view)>& take);

  const Endpoint& endpoint() const { return endpoint_; }
  const std::string& token() const { return token_; }
  const std::string& ca_file() const { return ca_file_; }
  Clock::time_point deadline() const;  // deadline of a call that begins now

 private:
  class Exchange;

  Endpoint endpoint_;
  std::string token_;
  std::string ca_file_;
  std::chrono::milliseconds wait_;
};

}  // namespace qarax::cli
