#include "http/poller.hpp"

#include <Poco/Exception.h>
#include <spdlog/logger.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "http/thread_begin.hpp"

namespace qarax::http {
namespace {

constexpr int kStallMs = 10;
constexpr std::chrono::milliseconds kDrainPatience{1500};  // granted to peers that are slow to send or to read

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
  if (!epoll_ || !wake_) throw Poco::SystemException("no epoll instance or eventfd", errno);
  const auto watch = [&](int fd, std::uint64_t id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    // Without this watch the thread could never be woken, or would never learn of a new connection.
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      throw Poco::SystemException("a descriptor can't be watched", errno);
  };
  watch(wake_.get(), kWake);
  watch(listener_.impl()->sockfd(), kListener);
}

Poller::~Poller() { stop(); }

void Poller::start() {
  thread_.startFunc([this] { run_thread("http-poll", [this] { loop(); }); });
  started_ = true;
}

void Poller::wake() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t done = ::write(wake_.get(), &one, sizeof one);
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
  // Arm epoll under the lock, so that the event finds the connection in the map.
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
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
  std::array<epoll_event, 128> events{};
  auto stall_look = Clock::now();
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == kWake) {
        std::uint64_t value = 0;
        [[maybe_unused]] const ssize_t done = ::read(wake_.get(), &value, sizeof value);
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
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.impl()->sockfd(), nullptr);
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
