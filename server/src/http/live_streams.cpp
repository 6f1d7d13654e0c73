#include "http/live_streams.hpp"

#include <Poco/Exception.h>
#include <spdlog/logger.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "http/thread_begin.hpp"

namespace qarax::http {
namespace {

constexpr std::uint64_t kWake = 1;  // ids of connections start at 2

}  // namespace

LiveWaker::LiveWaker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void LiveWaker::write() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t done = ::write(fd_.get(), &one, sizeof one);
}

void LiveWaker::wake_all() noexcept {
  all_ = true;
  write();
}

void LiveWaker::wake(std::uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    if (!ids_.insert(id).second) return;  // woken already
  }
  write();
}

bool LiveWaker::take(std::unordered_set<std::uint64_t>& ids) {
  std::uint64_t value = 0;
  [[maybe_unused]] const ssize_t done = ::read(fd_.get(), &value, sizeof value);
  const std::lock_guard lock(mutex_);
  ids.swap(ids_);
  return all_.exchange(false);
}

LiveStreams::LiveStreams(ConnectionServices& services, spdlog::logger& logger)
    : services_(services),
      logger_(logger),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      waker_(std::make_shared<LiveWaker>()) {
  if (!epoll_ || waker_->fd() < 0) throw Poco::SystemException("no epoll instance or eventfd", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWake;
  // Without this watch the thread could never be woken.
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, waker_->fd(), &event) != 0)
    throw Poco::SystemException("a descriptor can't be watched", errno);
}

LiveStreams::~LiveStreams() { stop(); }

void LiveStreams::start() {
  thread_.setStackSize(static_cast<int>(services_.config.thread_stack));
  thread_.startFunc([this] { run_thread("http-live", [this] { loop(); }); });
  started_ = true;
}

void LiveStreams::stop() {
  stopping_ = true;
  wake();
  if (started_) thread_.join();
  started_ = false;
  streams_.clear();
  const std::lock_guard lock(mutex_);
  incoming_.clear();
}

bool LiveStreams::adopt(std::unique_ptr<Connection>& connection) {
  if (!connection->is_duplex() && count_.fetch_add(1) >= services_.config.max_live_streams) {
    --count_;
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    incoming_.push_back(std::move(connection));
  }
  wake();
  return true;
}

void LiveStreams::loop() {
  std::array<epoll_event, 64> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    bool woken = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& one = events[static_cast<std::size_t>(i)];
      if (one.data.u64 != kWake) {
        handle(one.data.u64, one.events);
        continue;
      }
      woken = true;
    }
    if (woken) {
      std::unordered_set<std::uint64_t> ids;
      const bool everyone = waker_->take(ids);
      take_in();
      if (everyone) {
        for (auto& [id, stream] : streams_) attend(stream, id);
      } else {
        for (const std::uint64_t id : ids)
          if (const auto found = streams_.find(id); found != streams_.end()) attend(found->second, id);
      }
    }
    pass_time();
    if (services_.draining) dismiss();
    sweep();
  }
}

int LiveStreams::timeout_ms() const {
  auto until = Clock::now() + std::chrono::hours(1);
  for (const auto& [id, stream] : streams_)
    until = std::min(until, stream.blocked  ? stream.since + services_.config.write_timeout
                            : stream.duplex ? stream.duplex->due()
                                            : stream.spoken_at + services_.config.heartbeat);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

void LiveStreams::take_in() {
  std::vector<std::unique_ptr<Connection>> incoming;
  {
    const std::lock_guard lock(mutex_);
    incoming.swap(incoming_);
  }
  for (auto& connection : incoming) {
    const std::uint64_t id = connection->id();
    Stream stream;
    stream.reply = connection->take_live();
    stream.connection = std::move(connection);
    stream.out = std::move(stream.reply.head);
    stream.since = stream.spoken_at = Clock::now();
    stream.duplex = stream.reply.body->duplex();
    Stream& kept = streams_.emplace(id, std::move(stream)).first->second;
    if (!watch(kept, id, EPOLL_CTL_ADD))
      kept.state = State::over;
    else if (kept.duplex != nullptr)
      begin_duplex(kept, id);
  }
}

}  // namespace qarax::http
