// HTTP and HTTPS to one server: requests, their time limits, and what each failure means for the caller.
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
  std::string url;  // as given, without a trailing slash: for messages
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string prefix;  // of every path, for a server behind a proxy: "" or "/qarax"
};

// "http://host:port", "https://host/prefix". Errors have the reason kUsage.
Result<Endpoint> parse_endpoint(const std::string& url);

// Whether `token` may be sent to `endpoint`: over TLS, or where only this machine sees it. The error has the reason
// kUsage.
Status check_token_way(const Endpoint& endpoint, const std::string& token);

// One segment of a path or one value of a query, percent-encoded.
std::string percent_encoded(std::string_view text);

struct Request {
  std::string method = "GET";
  std::string path;                          // with its query
  std::string body{};                        // JSON; none when empty
  bool respond_async = false;                // Prefer: respond-async
  std::optional<Clock::time_point> until{};  // the client's own limit when absent
};

struct Reply {
  int status = 0;
  std::string body;
  std::string next{};  // where the list goes on, a path; empty: it doesn't
};

// How a followed console came to its end.
enum class StreamEnd { stopped, ended, timed_out };

// Not for several threads at once. Each call makes a connection of its own: a process lives for a few of them.
// Errors: a problem of the server as problem_error makes it; kUnreachable where nobody answers or the connection
// breaks; kTimeout where the answer doesn't come in time, which leaves the request's fate to the server.
class ApiClient {
 public:
  // `wait` is the time limit of a call. `token` and `ca_file` may be empty.
  ApiClient(Endpoint endpoint, std::string token, std::string ca_file, std::chrono::milliseconds wait);

  // The reply where its status is 2xx.
  Result<Reply> call(const Request& request);
  // The same for GET, read as JSON.
  Result<Document> get(const std::string& path);
  // A list with all its pages, as one array.
  Result<Document> get_all(const std::string& path);

  // Hands over the reply's bytes as they come, until `take` answers false (stopped), the server ends the reply or,
  // where one is given, the time is over.
  Result<StreamEnd> follow(const std::string& path, std::optional<Clock::time_point> until,
                           const std::function<bool(std::string_view)>& take);

  const Endpoint& endpoint() const { return endpoint_; }
  const std::string& token() const { return token_; }
  const std::string& ca_file() const { return ca_file_; }
  Clock::time_point deadline() const;  // of a call that would begin now

 private:
  class Exchange;

  Endpoint endpoint_;
  std::string token_;
  std::string ca_file_;
  std::chrono::milliseconds wait_;
};

}  // namespace qarax::cli
