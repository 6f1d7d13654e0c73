// A TCP relay to a PostgreSQL server that, when told to, drops the reply to a COMMIT (or another statement) together
// with the connection: the commit takes effect, but the client never learns of it. For tests only.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "database_url.hpp"

namespace qarax::server {

class LossyLine {
 public:
  explicit LossyLine(const DatabaseUrl& to) : url_(to), port_(std::stoi(to.port)) {
    sockaddr_in any = loopback(0);
    socklen_t size = sizeof any;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&any), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size) != 0)
      throw std::runtime_error("no port for a test's line");
    url_.host = "127.0.0.1";
    url_.port = std::to_string(ntohs(any.sin_port));
    accepting_ = std::thread([this] { accept(); });
  }
  ~LossyLine() {
    ending_ = true;
    accepting_.join();
    for (std::thread& one : pairs_) one.join();
    ::close(listener_);
  }
  LossyLine(const LossyLine&) = delete;
  LossyLine& operator=(const LossyLine&) = delete;

  const DatabaseUrl& url() const { return url_; }
  // Drops the reply to the next COMMIT; from then on refuses connections until open().
  void lose_next_answer() { armed_ = true; }
  // As lose_next_answer(), but new connections are let through at once. `asked`: what the lost reply answers.
  void lose_one_answer(std::string asked = std::string(kCommit)) {
    asked_ = std::move(asked);
    stays_open_ = true;
    armed_ = true;
  }
  void refuse_next_connection() { refuses_ = true; }
  bool is_lost() const { return closed_; }
  // Waits for the loss that lose_next_answer() has asked for. False: the change has ended without one.
  template <class T>
  bool loses_answer_of(const std::future<T>& change) const {
    while (!is_lost()) {
      if (change.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return false;
      std::this_thread::yield();
    }
    return true;
  }
  void open() { closed_ = false; }
  int let_through() const { return let_through_; }

 private:
  static constexpr std::string_view kCommit{"COMMIT\0", 7};
  static sockaddr_in loopback(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    return out;
  }
  static bool forward(int to, std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(to, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void accept() {
    while (!ending_) {
      pollfd ready{listener_, POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in there = loopback(port_);
      if (closed_ || refuses_.exchange(false) ||
          ::connect(server, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
        ::close(client);
        ::close(server);
        continue;
      }
      ++let_through_;
      pairs_.emplace_back([this, client, server] {
        pump({client, server});
        ::close(client);
        ::close(server);
      });
    }
  }
  void pump(std::array<int, 2> ends) {
    std::array<char, 65'536> buffer{};
    bool losing = false;
    while (!ending_) {
      std::array<pollfd, 2> ready{pollfd{ends[0], POLLIN, 0}, pollfd{ends[1], POLLIN, 0}};
      if (::poll(ready.data(), ready.size(), 20) <= 0) continue;
      for (std::size_t from = 0; from < 2; ++from) {
        if (ready[from].revents == 0) continue;
        const ssize_t size = ::recv(ends[from], buffer.data(), buffer.size(), 0);
        if (size <= 0) return;
        const std::string_view data(buffer.data(), static_cast<std::size_t>(size));
        if (from == 1 && losing) {
          closed_ = !stays_open_;
          return;
        }
        if (from == 0 && armed_ && data.find(asked_) != std::string_view::npos) losing = armed_.exchange(false);
        if (!forward(ends[1 - from], data)) return;
      }
    }
  }

  DatabaseUrl url_;
  const int port_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string asked_{kCommit};  // changes only while armed_ is false
  std::atomic<bool> armed_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> stays_open_{false};
  std::atomic<bool> refuses_{false};
  std::atomic<bool> ending_{false};
  std::atomic<int> let_through_{0};
  std::list<std::thread> pairs_;  // used by the accepting thread, and by the destructor after it has ended
  std::thread accepting_;
};

}  // namespace qarax::server
