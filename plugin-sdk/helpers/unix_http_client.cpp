#include "unix_http_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>

namespace qarax::plugin {

namespace {

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::size_t kMaxBody = 8u << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Error garbage(const std::string& what) { return make_error(Code::internal, what); }

// The trimmed value of a header field; nullopt: the head has no such field. `name`: in lower case.
std::optional<std::string> field(std::string_view head, std::string_view name) {
  std::size_t at = 0;
  while ((at = head.find("\r\n", at)) != std::string_view::npos) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || lower(line.substr(0, colon)) != name) continue;
    const std::size_t from = line.find_first_not_of(" \t", colon + 1);
    if (from == std::string_view::npos) return std::string();
    return std::string(line.substr(from, line.find_last_not_of(" \t") - from + 1));
  }
  return std::nullopt;
}

// Waits until the socket is ready for `events`, until `until_ns`, or until the call's deadline or cancel.
Status await(const Socket& socket, short events, const Call& call, std::int64_t until_ns, const std::string& peer) {
  for (;;) {
    const std::int64_t left = (until_ns - monotonic_ns() + 999'999) / 1'000'000;
    pollfd fds[2] = {{socket.get(), events, 0}, {call.cancel_fd(), POLLIN, 0}};
    const int ready =
        ::poll(fds, call.cancel_fd() >= 0 ? 2 : 1, left <= 0 ? 0 : call.remaining_ms(static_cast<int>(left)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return make_error(Code::deadline_exceeded, peer + " doesn't answer");
    if (fds[1].revents != 0) return make_error(Code::cancelled, "the call was cancelled while " + peer + " was asked");
    return Ok{};
  }
}

}  // namespace

Result<std::optional<HttpReply>> parse_http_reply(std::string_view received, bool ended) {
  const std::size_t head_end = received.find("\r\n\r\n");
  if (head_end == std::string_view::npos) {
    if (received.size() > kMaxHead) return garbage("a reply without an end of its head");
    if (!std::string_view("HTTP/1.").starts_with(received.substr(0, 7))) return garbage("a reply that isn't HTTP");
    if (ended) return make_error(Code::unavailable, "it hung up in the middle of a reply");
    return std::optional<HttpReply>();
  }
  const std::string_view head = received.substr(0, head_end);
  std::string_view body = received.substr(head_end + 4);
  HttpReply reply;
  // "HTTP/1.1 204 …"
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || head[8] != ' ' ||
      std::from_chars(head.data() + 9, head.data() + 12, reply.status).ptr != head.data() + 12 || reply.status < 100)
    return garbage("a reply that isn't HTTP");
  if (field(head, "transfer-encoding")) return garbage("a reply in a transfer encoding that isn't understood");
  reply.size = head_end + 4;
  if (reply.status == 204 || reply.status == 304) return std::optional(std::move(reply));
  std::size_t length = 0;
  const auto announced = field(head, "content-length");
  if (!announced) {
    if (body.size() > kMaxBody) return garbage("a reply that is too long");
    if (!ended) return std::optional<HttpReply>();
    length = body.size();
  } else {
    const auto parsed = std::from_chars(announced->data(), announced->data() + announced->size(), length);
    if (announced->empty() || parsed.ec != std::errc{} || parsed.ptr != announced->data() + announced->size() ||
        length > kMaxBody)
      return garbage("a reply with a length that can't be");
  }
  if (body.size() < length) {
    if (ended) return make_error(Code::unavailable, "it hung up in the middle of a reply");
    return std::optional<HttpReply>();
  }
  reply.body = body.substr(0, length);
  reply.size += length;
  return std::optional(std::move(reply));
}

Status UnixHttpConnection::send(const Call& call, const std::string& request, std::int64_t until_ns,
                                const std::string& what, const std::vector<int>& fds) {
  std::string_view rest = request;
  while (!rest.empty()) {
    const ssize_t n = send_some(socket_.get(), rest, rest.size() == request.size() ? fds : std::vector<int>());
    if (n > 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      QARAX_CHECK(await(socket_, POLLOUT, call, until_ns, what));
    } else {
      break;  // the peer may have answered before it closed: read that answer, it says why
    }
  }
  return Ok{};
}

Result<HttpReply> UnixHttpConnection::request(const Call& call, std::string_view method, std::string_view path,
                                              std::string_view body, int most_ms, const std::vector<int>& fds) {
  const std::string what = peer_ + " (" + std::string(method) + " " + std::string(path) + ")";
  char chunk[16384];
  // Not checked before the first request: a peer that refuses a further connection says so at once, as a reply.
  if (used_ && (!received_.empty() || ::recv(socket_.get(), chunk, 1, MSG_DONTWAIT | MSG_PEEK) > 0))
    return garbage(what + ": a reply before its request");
  used_ = true;
  std::string out;
  out.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n");
  if (!body.empty()) out.append("Content-Type: application/json\r\n");
  out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);

  const std::int64_t until_ns = monotonic_ns() + std::int64_t{most_ms} * 1'000'000;
  QARAX_CHECK(send(call, out, until_ns, what, fds));
  for (;;) {
    QARAX_CHECK(await(socket_, POLLIN, call, until_ns, what));
    const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n > 0) received_.append(chunk, static_cast<std::size_t>(n));
    if (n <= 0 && received_.empty()) return make_error(Code::unavailable, what + " hung up");
    auto reply = parse_http_reply(received_, n <= 0);
    if (!reply) return std::move(reply).error().context(what);
    if (!*reply) continue;
    received_.erase(0, (*reply)->size);
    return std::move(**reply);
  }
}

Result<UnixHttpConnection> UnixHttpClient::connect() const {
  auto socket = connect_unix(folder_, name_);
  if (!socket) return std::move(socket).error().context(peer_ + "'s socket");
  return UnixHttpConnection(std::move(*socket), peer_);
}

Result<HttpReply> UnixHttpClient::request(const Call& call, std::string_view method, std::string_view path,
                                          std::string_view body, int most_ms, const std::vector<int>& fds) const {
  QARAX_TRY(UnixHttpConnection connection, connect());
  return connection.request(call, method, path, body, most_ms, fds);
}

}  // namespace qarax::plugin
