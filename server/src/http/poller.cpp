#include "http/poller.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "http/problem.hpp"
#include "http/request_id.hpp"
#include "http/response_writer.hpp"

namespace qarax::http {
namespace {

constexpr std::uint64_t kListener = 0;
constexpr std::uint64_t kWake = 1;
constexpr int kStallMs = 10;
constexpr std::chrono::milliseconds kDescriptorPause{100};
constexpr std::chrono::milliseconds kDrainPatience{1500};  // for peers that are slow to send or to read

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

// What a client gets for which there is no room: best effort, nothing is read and nothing waited for.
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

Poller::Poller(const Poco::Net::ServerSocket& listener, Poco::Net::Context::Ptr tls, ConnectionServices& services,
               WorkerPool& workers, spdlog::logger& logger)
    : listener_(listener),
      tls_(std::move(tls)),
      services_(services),
      workers_(workers),
      logger_(logger),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (epoll_ < 0 || wake_ < 0) {
    if (epoll_ >= 0) ::close(epoll_);
    if (wake_ >= 0) ::close(wake_);
    throw Poco::SystemException("no epoll instance or eventfd", errno);
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWake;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  event.data.u64 = kListener;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_.impl()->sockfd(), &event);
}

Poller::~Poller() {
  stop();
  ::close(epoll_);
  ::close(wake_);
}

void Poller::start() {
  thread_.setName("http-poll");
  thread_.startFunc([this] { loop(); });
  started_ = true;
}

void Poller::wake() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t done = ::write(wake_, &one, sizeof one);
}

void Poller::drain() { wake(); }

void Poller::stop() {
  stopping_ = true;
  wake();
  if (started_) thread_.join();
  started_ = false;
  std::unordered_map<std::uint64_t, Parked> parked;
  {
    const std::lock_guard lock(mutex_);
    parked.swap(parked_);
    deadlines_.clear();
  }
}

void Poller::park(std::unique_ptr<Connection> connection, Connection::Next wish) {
  const std::uint64_t id = connection->id();
  const int fd = connection->fd();
  Clock::time_point deadline = connection->deadline();
  epoll_event event{};
  event.events = (wish == Connection::Next::park_for_write ? EPOLLOUT : EPOLLIN | EPOLLRDHUP) | EPOLLONESHOT;
  event.data.u64 = id;
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (services_.draining) {
    if (connection->is_idle()) return;
    deadline = std::min(deadline, Clock::now() + kDrainPatience);
  }
  parked_.emplace(id, Parked{std::move(connection), deadline});
  deadlines_.emplace(deadline, id);
  // Under the lock, so that the event finds the connection.
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) != 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    deadlines_.erase({deadline, id});
    parked_.erase(id);
    return;
  }
  if (deadline < wakes_at_) wake();
}

std::unique_ptr<Connection> Poller::take(std::uint64_t id) {
  const auto found = parked_.find(id);
  if (found == parked_.end()) return nullptr;
  deadlines_.erase({found->second.deadline, id});
  std::unique_ptr<Connection> connection = std::move(found->second.connection);
  parked_.erase(found);
  return connection;
}

int Poller::timeout_ms() {
  const bool waiting = workers_.is_waiting();
  const auto now = Clock::now();
  auto until = now + std::chrono::hours(1);
  const std::lock_guard lock(mutex_);
  if (!deadlines_.empty()) until = std::min(until, deadlines_.begin()->first);
  if (listen_again_) until = std::min(until, *listen_again_);
  wakes_at_ = until;
  if (waiting) until = std::min(until, now + std::chrono::milliseconds(kStallMs));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

void Poller::loop() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::array<epoll_event, 128> events{};
  auto stall_look = Clock::now();
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == kWake) {
        std::uint64_t value = 0;
        [[maybe_unused]] const ssize_t done = ::read(wake_, &value, sizeof value);
      } else if (id == kListener) {
        accept_some();
      } else {
        ready(id);
      }
    }
    if (services_.draining && !drained_) close_idle();
    if (listen_again_ && Clock::now() >= *listen_again_) listen(true);
    expire();
    if (const auto now = Clock::now(); now - stall_look >= std::chrono::milliseconds(kStallMs)) {
      stall_look = now;
      workers_.grow_if_stalled();
    }
  }
}

void Poller::listen(bool on) noexcept {
  epoll_event event{};
  event.events = on ? static_cast<unsigned>(EPOLLIN) : 0U;
  event.data.u64 = kListener;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_.impl()->sockfd(), &event);
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
  // Not Poco's acceptConnection: the descriptor must be close-on-exec from its first moment.
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

void Poller::ready(std::uint64_t id) {
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    connection = take(id);
  }
  if (connection) workers_.push(std::move(connection));
}

void Poller::settle(std::unique_ptr<Connection> connection, Connection::Next wish) {
  if (wish == Connection::Next::park_for_read || wish == Connection::Next::park_for_write) {
    park(std::move(connection), wish);
  }
}

void Poller::expire() {
  const auto now = Clock::now();
  while (true) {
    std::unique_ptr<Connection> connection;
    {
      const std::lock_guard lock(mutex_);
      if (deadlines_.empty() || deadlines_.begin()->first > now) return;
      connection = take(deadlines_.begin()->second);
    }
    const Connection::Next wish = connection->expire();
    settle(std::move(connection), wish);
  }
}

void Poller::close_idle() {
  drained_ = true;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_.impl()->sockfd(), nullptr);
  listener_.close();
  const auto latest = Clock::now() + kDrainPatience;
  std::vector<std::unique_ptr<Connection>> idle;
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> ids;
  ids.reserve(parked_.size());
  for (auto& [id, parked] : parked_) {
    if (parked.connection->is_idle()) {
      ids.push_back(id);
    } else if (parked.deadline > latest) {
      deadlines_.erase({parked.deadline, id});
      parked.deadline = latest;
      deadlines_.emplace(latest, id);
    }
  }
  idle.reserve(ids.size());
  for (const std::uint64_t id : ids) idle.push_back(take(id));
}

}  // namespace qarax::http
