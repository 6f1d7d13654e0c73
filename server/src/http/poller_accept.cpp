// Accepts new connections, or answers that there is no room for them.
#include <Poco/Net/StreamSocketImpl.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/logger.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "http/poller.hpp"
#include "http/problem.hpp"
#include "http/request_id.hpp"
#include "http/response_writer.hpp"

namespace qarax::http {
namespace {

constexpr std::chrono::milliseconds kDescriptorPause{100};

std::string peer_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

// Answers 503 to a client for which there is no room. Best effort: reads nothing and doesn't wait.
void send_overloaded(int fd) {
  Request request;
  request.path = "/";
  make_request_id(request.request_id);
  const Response response =
      problem_response(request, Problem("overloaded", "the server has as many connections as it takes"));
  std::string out;
  append_head(out, response, {request.request_id, 1, false, response.body.size(), false});
  out.append(response.body);
  ::send(fd, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

void Poller::listen(bool on) noexcept {
  epoll_event event{};
  event.events = on ? static_cast<unsigned>(EPOLLIN) : 0U;
  event.data.u64 = kListener;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.impl()->sockfd(), &event);
  if (on) {
    listen_again_.reset();
  } else {
    listen_again_ = Clock::now() + kDescriptorPause;
  }
}

void Poller::accept_some() {
  // Bounded, so that a flood of connections doesn't keep the parked ones from being served.
  for (int i = 0; i < 64 && !services_.draining; ++i) {
    if (!accept_one()) return;
  }
}

bool Poller::accept_one() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  // Poco's acceptConnection can't be used: the descriptor must be close-on-exec from the start.
  const int fd = ::accept4(listener_.impl()->sockfd(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      if (evict_oldest_idle()) return true;
      logger_.warn("no descriptor for a new connection: {}; raise the limit of open files connections={}",
                   std::generic_category().message(errno), services_.registry.count());
      listen(false);
      return false;
    }
    return errno == ECONNABORTED || errno == EINTR;
  }
  if (services_.registry.count() >= services_.config.max_connections && !evict_oldest_idle()) {
    if (!tls_) send_overloaded(fd);
    ::close(fd);
    return true;
  }
  admit(fd, peer_text(address));
  return true;
}

void Poller::admit(int fd, std::string peer) {
  Poco::Net::StreamSocket socket(new Poco::Net::StreamSocketImpl(fd));  // owns the descriptor from here
  try {
    auto transport = tls_ ? make_tls_transport(socket, tls_, services_.config.linger)
                          : make_plain_transport(socket, services_.config.linger);
    park(std::make_unique<Connection>(std::move(transport), std::move(peer), next_id_++, services_),
         Connection::Next::park_for_read);
  } catch (const std::exception& error) {
    logger_.warn("connection refused: {} peer={}", error.what(), peer);
  }
}

bool Poller::evict_oldest_idle() {
  std::unique_ptr<Connection> oldest;
  const std::lock_guard lock(mutex_);
  for (const auto& [deadline, id] : deadlines_) {
    if (!parked_.at(id).connection->is_idle()) continue;
    oldest = take(id);
    return true;
  }
  return false;
}

}  // namespace qarax::http
