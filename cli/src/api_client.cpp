#include "api_client.hpp"

#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/SSLException.h>
#include <Poco/String.h>
#include <Poco/URI.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "dead_host.hpp"
#include "http_session.hpp"
#include "problem.hpp"

namespace qarax::cli {

namespace {

constexpr std::chrono::milliseconds kConnect{5000};
// Time limit of a call with a shorter --wait: --wait 0 means not to wait for jobs, but the answer is still needed.
constexpr std::chrono::milliseconds kLeastWait{10'000};

std::chrono::milliseconds left_until(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  return std::max(left, std::chrono::milliseconds(1));  // 0 would mean no limit
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& url) {
  const Error bad = make_error(Code::invalid_argument,
                               "--server: \"" + url + "\" is no server's URL; write http://HOST:PORT or https://HOST",
                               std::string(kUsage));
  try {
    const Poco::URI uri(url);
    const bool tls = uri.getScheme() == "https";
    if ((!tls && uri.getScheme() != "http") || uri.getHost().empty() || uri.getPort() == 0 || !uri.getQuery().empty() ||
        !uri.getFragment().empty() || !uri.getUserInfo().empty())
      return bad;
    Endpoint out{url, tls, uri.getHost(), uri.getPort(), uri.getPath()};
    while (out.prefix.ends_with('/')) out.prefix.pop_back();
    while (out.url.ends_with('/')) out.url.pop_back();
    return out;
  } catch (const Poco::Exception&) {
    return bad;
  }
}

// Judges the name as written, not what it resolves to: the resolver's answer may come from whoever wants the token.
Status check_token_way(const Endpoint& endpoint, const std::string& token) {
  Poco::Net::IPAddress address;
  if (token.empty() || endpoint.tls || Poco::icompare(endpoint.host, "localhost") == 0 ||
      (Poco::Net::IPAddress::tryParse(endpoint.host, address) && address.isLoopback()))
    return Ok{};
  return make_error(Code::invalid_argument,
                    "the token isn't sent to " + endpoint.url +
                        ": whoever is on the way could read it. Write https:// where the server has listen.tls, or go "
                        "through an SSH tunnel (ssh -L 8000:localhost:" +
                        std::to_string(endpoint.port) + " " + endpoint.host + ") to http://localhost:8000",
                    std::string(kUsage));
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  Poco::URI::encode(std::string(text), "!*'();:@&=+$,/?#[]%\"", out);
  return out;
}

// One request and its reply, from connecting to the last byte. What a failure means depends on the stage it occurs in.
class ApiClient::Exchange {
 public:
  Exchange(const ApiClient& client, const Request& request) : client_(client), request_(request) {}

  // Runs `read` on the body of a 2xx reply; turns Poco's exceptions into errors.
  template <class Read>
  auto run(Clock::time_point until, Read read) -> decltype(read(*this)) {
    QARAX_CHECK(check_token_way(client_.endpoint_, client_.token_));
    try {
      session_ = make_session<Poco::Net::HTTPClientSession, Poco::Net::HTTPSClientSession>(client_.endpoint_,
                                                                                           client_.ca_file_);
      session_->setTimeout(timespan(std::min(kConnect, left_until(until))), timespan(left_until(until)),
                           timespan(left_until(until)));
      send();
      answering_ = true;
      limit_read(until);
      body_ = &session_->receiveResponse(response_);
      if (response_.getStatus() >= 300)
        return problem_error(response_.getStatus(), response_.getContentType(), whole_body());
      return read(*this);
    } catch (const Poco::TimeoutException& e) {
      // The kernel's word, see notice_dead_host(). Where a limit of ours has passed, the code is another.
      if (answering_ && e.code() == ETIMEDOUT) return broken("its host doesn't answer any more");
      return answering_ ? timed_out() : unreachable(client_.endpoint_, "it doesn't answer");
    } catch (const Poco::Net::SSLException& e) {
      if (answering_) return broken(e.displayText());
      return tls_failed(client_.endpoint_, e.displayText());
    } catch (const Poco::Exception& e) {
      if (answering_) return broken(e.displayText());
      return unreachable(client_.endpoint_, e.message().empty() ? e.name() : e.displayText());
    }
  }

  int status() const { return response_.getStatus(); }
  // The target of a Link with rel="next".
  std::string next() const {
    const std::string link = response_.get("Link", "");
    const auto end = link.find(">; rel=\"next\"");
    return link.starts_with('<') && end != std::string::npos ? link.substr(1, end - 1) : std::string();
  }
  // Sets the receive timeout of the socket; nullopt: none.
  void limit_read(std::optional<Clock::time_point> until) {
    limit_receive(session_->socket(), until ? std::optional(left_until(*until)) : std::nullopt);
  }
  // For a reply whose pieces may be hours apart.
  void notice_dead_server() {
    const int fd = session_->socket().impl()->sockfd();
    notice_dead_host(fd);
    notice_dead_receiver(fd);
  }
  std::string piece() { return read_piece(*body_); }
  std::string whole_body() {
    std::string out;
    for (std::string one = piece(); !one.empty(); one = piece()) out += one;
    const auto length = response_.getContentLength64();
    if (length != Poco::Net::HTTPMessage::UNKNOWN_CONTENT_LENGTH && out.size() < static_cast<std::size_t>(length))
      throw Poco::Net::NetException("the answer was cut short");
    return out;
  }

 private:
  void send() {
    using Poco::Net::HTTPRequest;
    HTTPRequest out(request_.method, client_.endpoint_.prefix + request_.path, HTTPRequest::HTTP_1_1);
    out.set("Accept", "application/json, text/plain;q=0.5");
    out.set("User-Agent", "qarax/" QARAX_VERSION);
    if (!client_.token_.empty()) out.set("Authorization", "Bearer " + client_.token_);
    if (request_.respond_async) out.set("Prefer", "respond-async");
    if (!request_.body.empty()) out.setContentType("application/json");
    if (request_.method != "GET") out.setContentLength(static_cast<std::streamsize>(request_.body.size()));
    std::ostream& stream = session_->sendRequest(out);
    stream << request_.body << std::flush;
  }
  Error broken(const std::string& why) const {
    const std::string message = client_.endpoint_.url + " broke off before the whole answer was here: " + why;
    if (request_.method == "GET") return make_error(Code::unavailable, message, std::string(kUnreachable));
    return make_error(Code::unavailable, message + "; what was asked for may be done, or still be done",
                      std::string(kBroken));
  }
  Error timed_out() const {
    std::string message = "no answer from " + client_.endpoint_.url + " in time";
    if (request_.method != "GET") message += "; what was asked for may still be done";
    return make_error(Code::deadline_exceeded, message, std::string(kTimeout));
  }

  const ApiClient& client_;
  const Request& request_;
  std::unique_ptr<Poco::Net::HTTPClientSession> session_;
  Poco::Net::HTTPResponse response_;
  std::istream* body_ = nullptr;
  bool answering_ = false;
};

ApiClient::ApiClient(Endpoint endpoint, std::string token, std::string ca_file, std::chrono::milliseconds wait)
    : endpoint_(std::move(endpoint)),
      token_(std::move(token)),
      ca_file_(std::move(ca_file)),
      wait_(wait.count() == 0 ? kLeastWait : wait) {}

Clock::time_point ApiClient::deadline() const { return Clock::now() + wait_; }

Result<Reply> ApiClient::call(const Request& request) {
  return Exchange(*this, request).run(request.until.value_or(deadline()), [](Exchange& exchange) -> Result<Reply> {
    return Reply{exchange.status(), exchange.whole_body(), exchange.next()};
  });
}

Result<Document> ApiClient::get_all(const std::string& path) {
  QARAX_TRY(Reply page, call({.path = path}));
  while (!page.next.empty()) {
    QARAX_TRY(Reply more, call({.path = page.next}));
    QARAX_TRY(const Document rows, parse_document(more.body));
    const auto end = page.body.rfind(']');
    const auto begin = more.body.find('[');
    if (end == std::string::npos || begin == std::string::npos) break;  // not a list: parse_document reports it
    page.body.resize(end);
    if (element_count(rows) != 0) page.body.append(",").append(more.body, begin + 1);
    if (element_count(rows) == 0) page.body.append("]");
    page.next = std::move(more.next);
  }
  return parse_document(std::move(page.body));
}

Result<Document> ApiClient::get(const std::string& path) {
  QARAX_TRY(Reply reply, call({.path = path}));
  return parse_document(std::move(reply.body));
}

Result<StreamEnd> ApiClient::follow(const std::string& path, const FollowLimits& limits,
                                    const std::function<bool(std::string_view)>& take) {
  const Request request{.path = path};
  bool begun = false;
  bool until_is_next = false;  // of the two limits
  // The head must come within the normal deadline; the limits begin behind it.
  auto end = Exchange(*this, request).run(deadline(), [&](Exchange& exchange) -> Result<StreamEnd> {
    begun = true;
    exchange.notice_dead_server();
    for (;;) {
      auto next = limits.until;
      if (limits.silence) next = std::min(next.value_or(Clock::time_point::max()), Clock::now() + *limits.silence);
      until_is_next = limits.until && next == limits.until;
      exchange.limit_read(next);
      const std::string piece = exchange.piece();
      if (piece.empty()) return StreamEnd::ended;
      if (!take(piece)) return StreamEnd::stopped;
      if (limits.until && Clock::now() >= *limits.until) return StreamEnd::timed_out;
    }
  });
  if (end || !begun || end.error().reason != kTimeout) return end;
  // The head had arrived. If the guest was too slow, the server needn't be.
  if (until_is_next) return StreamEnd::timed_out;
  const auto silence = std::chrono::ceil<std::chrono::seconds>(limits.silence.value_or(std::chrono::milliseconds(0)));
  return make_error(Code::unavailable,
                    endpoint_.url + " broke off: nothing has come from it for " + std::to_string(silence.count()) +
                        " s, no heartbeat either",
                    std::string(kUnreachable));
}

}  // namespace qarax::cli
