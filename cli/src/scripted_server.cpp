#include "scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace qarax::cli {

namespace {

void must(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

// The target in the head of one request without a body; empty if the client is gone.
std::string read_target(int connection) {
  std::string head;
  std::array<char, 4096> piece{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(connection, piece.data(), piece.size(), 0);
    if (got <= 0) return {};
    head.append(piece.data(), static_cast<std::size_t>(got));
  }
  const auto begin = head.find(' ') + 1;
  return head.substr(begin, head.find(' ', begin) - begin);
}

}  // namespace

ScriptedServer::ScriptedServer(Answer answer) : answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(listener_ >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  must(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0, "bind");
  must(::listen(listener_, SOMAXCONN) == 0, "listen");
  must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);  // accept() returns
  thread_.join();
  ::close(listener_);
  for (const int connection : open_) ::close(connection);
}

std::vector<std::string> ScriptedServer::asked() const {
  const std::scoped_lock lock(mutex_);
  return asked_;
}

void ScriptedServer::serve() {
  for (int connection = -1; (connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
    open_.push_back(connection);
    const std::string target = read_target(connection);
    if (target.empty()) continue;
    std::size_t before = 0;
    {
      const std::scoped_lock lock(mutex_);
      before = asked_.size();
      asked_.push_back(target);
    }
    // All in one call: the tests' clients may have short limits.
    const std::string reply = answer_(target, before);
    static_cast<void>(::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL));
  }
}

std::string ScriptedServer::document(const std::string& json, const std::string& link) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size()) +
         (link.empty() ? "" : "\r\nLink: " + link) + "\r\n\r\n" + json;
}

std::string ScriptedServer::stream(const std::string& piece) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx", piece.size());
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
         std::string(size.data()) + "\r\n" + piece + "\r\n";
}

}  // namespace qarax::cli
