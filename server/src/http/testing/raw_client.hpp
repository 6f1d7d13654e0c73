// For tests: a client that sends exactly the bytes it is given, and a server on a free port.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "http/server.hpp"

namespace qarax::http::testing {

struct Reply {
  int status = 0;
  std::string head;
  std::string body;

  std::string header(std::string_view name) const {
    const std::string key = "\r\n" + std::string(name) + ": ";
    const auto at = head.find(key);
    if (at == std::string::npos) return {};
    return head.substr(at + key.size(), head.find("\r\n", at + 2) - at - key.size());
  }
  bool has(std::string_view text) const { return body.find(text) != std::string::npos; }
  bool is_problem(std::string_view slug) const {
    return header("Content-Type") == "application/problem+json" &&
           has("\"type\":\"https://qarax.dev/problems/" + std::string(slug) + "\"") &&
           has("\"request_id\":\"" + header("X-Request-Id") + "\"");
  }
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), pending_(std::move(other.pending_)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // Closes the connection with a reset instead of a FIN.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Whether there is something to read, end of file included, within `span`.
  bool readable(std::chrono::milliseconds span) const {
    pollfd wait{fd_, POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(span.count())) == 1;
  }

  // One reply with its Content-Length or chunked body; nullopt if the connection ends or stalls before.
  std::optional<Reply> reply(bool head_only = false) {
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return std::nullopt;
    }
    Reply reply;
    reply.head = pending_.substr(0, end + 2);
    pending_.erase(0, end + 4);
    reply.status = std::atoi(reply.head.c_str() + 9);
    if (head_only) return reply;
    if (reply.header("Transfer-Encoding") == "chunked") return chunked(std::move(reply));
    const auto size = static_cast<std::size_t>(std::atoll(reply.header("Content-Length").c_str()));
    while (pending_.size() < size) {
      if (!more()) return std::nullopt;
    }
    reply.body = pending_.substr(0, size);
    pending_.erase(0, size);
    return reply;
  }

  std::optional<Reply> exchange(std::string_view request, bool head_only = false) {
    if (!send(request)) return std::nullopt;
    return reply(head_only);
  }

  // The next chunk (empty: the last one) of a chunked body whose head was read before; chunked_body() reads them all.
  std::optional<std::string> chunk() {
    std::size_t line = 0;
    while ((line = pending_.find("\r\n")) == std::string::npos) {
      if (!more()) return std::nullopt;
    }
    const std::size_t size = std::strtoul(pending_.c_str(), nullptr, 16);
    pending_.erase(0, line + 2);
    while (pending_.size() < size + 2) {
      if (!more()) return std::nullopt;
    }
    std::string out = pending_.substr(0, size);
    pending_.erase(0, size + 2);
    return out;
  }
  std::optional<std::string> chunked_body() {
    std::string body;
    while (true) {
      const auto piece = chunk();
      if (!piece) return std::nullopt;
      if (piece->empty()) return body;
      body.append(*piece);
    }
  }
  // Exactly `size` bytes; nullopt if the connection ends before.
  std::optional<std::string> bytes(std::size_t size) {
    while (pending_.size() < size) {
      if (!more()) return std::nullopt;
    }
    std::string out = pending_.substr(0, size);
    pending_.erase(0, size);
    return out;
  }
  // Reads everything until the end of the connection.
  std::string rest() {
    while (more()) {
    }
    return std::exchange(pending_, {});
  }

  // Whether nothing more comes and the connection has ended, by FIN or reset.
  bool at_end() {
    if (!pending_.empty()) return false;
    char byte = 0;
    return readable(kPatience) && ::recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{60'000};

  bool more() {
    char buffer[16384];
    if (!readable(kPatience)) return false;
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    pending_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  std::optional<Reply> chunked(Reply reply) {
    auto body = chunked_body();
    if (!body) return std::nullopt;
    reply.body = std::move(*body);
    return reply;
  }

  int fd_;
  bool connected_ = false;
  std::string pending_;
};

// Waits until `condition` is true, e.g. about a state that the server reports. The time limit matters only for a
// condition that never becomes true.
template <class Condition>
bool eventually(Condition condition) {
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
       std::chrono::steady_clock::now() < until;) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

// A started server on a port chosen by the kernel; the destructor ends it.
class TestServer {
 public:
  TestServer(ServerConfig config, const Router& router, const Authenticator* authenticator = nullptr,
             RequestObserver* observer = nullptr)
      : logger_("http", std::make_shared<spdlog::sinks::null_sink_mt>()),
        server_(with_free_port(std::move(config)), router, authenticator, observer, logger_) {
    logger_.set_level(spdlog::level::debug);
    const Status status = server_.start();
    if (!status) throw std::runtime_error(status.error().message);
  }
  HttpServer& operator*() { return server_; }
  HttpServer* operator->() { return &server_; }
  RawClient client() const { return RawClient(server_.port()); }

 private:
  static ServerConfig with_free_port(ServerConfig config) {
    config.port = 0;
    return config;
  }
  spdlog::logger logger_;
  HttpServer server_;
};

}  // namespace qarax::http::testing
