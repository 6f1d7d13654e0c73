#include "http/live_streams.hpp"

#include <Poco/Exception.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>

namespace qarax::http {
namespace {

constexpr std::uint64_t kWake = 1;                          // connections have ids from 2 on
constexpr int kPullsInARow = 4;                             // then it is the next stream's turn
constexpr std::size_t kKeptOutput = std::size_t{4} * 1024;  // of a buffer, by a reader that has read everything

}  // namespace

LiveStreams::LiveStreams(ConnectionServices& services, spdlog::logger& logger)
    : services_(services),
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
}

LiveStreams::~LiveStreams() {
  stop();
  ::close(epoll_);
  ::close(wake_);
}

void LiveStreams::start() {
  thread_.setName("http-live");
  thread_.setStackSize(static_cast<int>(services_.config.thread_stack));
  thread_.startFunc([this] { loop(); });
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

void LiveStreams::wake() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t done = ::write(wake_, &one, sizeof one);
}

bool LiveStreams::adopt(std::unique_ptr<Connection>& connection) {
  if (count_.fetch_add(1) >= services_.config.max_live_streams) {
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
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::array<epoll_event, 64> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms());
    bool woken = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& one = events[static_cast<std::size_t>(i)];
      if (one.data.u64 != kWake) {
        handle(one.data.u64, one.events);
        continue;
      }
      std::uint64_t value = 0;
      [[maybe_unused]] const ssize_t done = ::read(wake_, &value, sizeof value);
      woken = true;
    }
    if (woken) {
      take_in();
      for (auto& [id, stream] : streams_) serve(stream, id);
    }
    pass_time();
    if (services_.draining) dismiss();
    sweep();
  }
}

int LiveStreams::timeout_ms() const {
  auto until = Clock::now() + std::chrono::hours(1);
  for (const auto& [id, stream] : streams_)
    until = std::min(until, stream.blocked ? stream.since + services_.config.write_timeout
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
    if (!watch(stream, id, EPOLL_CTL_ADD)) stream.state = State::over;
    streams_.emplace(id, std::move(stream));
  }
}

bool LiveStreams::watch(Stream& stream, std::uint64_t id, int operation) const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | (stream.blocked ? static_cast<unsigned>(EPOLLOUT) : 0U);
  event.data.u64 = id;
  return ::epoll_ctl(epoll_, operation, stream.connection->fd(), &event) == 0;
}

void LiveStreams::handle(std::uint64_t id, std::uint32_t events) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    stream.state = State::over;
    return;
  }
  if ((events & EPOLLIN) != 0) {
    // Nothing is expected from this side any more; what comes is read away, or it would be told for ever.
    std::array<char, 1024> waste;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
    if (stream.connection->transport().read(waste.data(), waste.size()).state == IoResult::State::closed)
      stream.state = State::over;
  }
  if (stream.blocked) {
    stream.blocked = false;
    serve(stream, id);
    if (!stream.blocked && stream.state != State::over) watch(stream, id, EPOLL_CTL_MOD);
  }
}

void LiveStreams::say(Stream& stream, std::string_view words) {
  if (words.empty()) return;
  if (!stream.reply.chunked) {
    stream.out.append(words);
  } else {
    std::array<char, 20> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), words.size(), 16).ptr;
    stream.out.append(size.data(), end).append("\r\n").append(words).append("\r\n");
  }
  stream.spoken_at = Clock::now();
}

// False: no more can be sent now.
bool LiveStreams::flush(Stream& stream, std::uint64_t id) {
  while (stream.sent < stream.out.size()) {
    const IoResult sent = stream.connection->transport().write(std::string_view(stream.out).substr(stream.sent), {});
    if (sent.state == IoResult::State::closed) {
      stream.state = State::over;
      return false;
    }
    if (sent.state == IoResult::State::would_block) {
      stream.blocked = true;
      if (!watch(stream, id, EPOLL_CTL_MOD)) stream.state = State::over;
      return false;
    }
    stream.sent += sent.size;
    stream.since = Clock::now();
  }
  stream.out.clear();
  if (stream.out.capacity() > kKeptOutput) stream.out = std::string();
  stream.sent = 0;
  if (stream.state == State::ending) stream.state = State::over;
  return stream.state == State::open;
}

// The border where a body's exceptions end: it alone is cut, without the last chunk that would call it whole.
std::optional<bool> LiveStreams::ask(Stream& stream, const std::function<bool(LiveBody&)>& question) {
  try {
    return question(*stream.reply.body);
  } catch (const std::exception& error) {
    logger_.error("a live reply failed: {} peer={}", error.what(), stream.connection->peer());
  }
  stream.state = State::over;
  return std::nullopt;
}

void LiveStreams::serve(Stream& stream, std::uint64_t id) {
  if (stream.blocked || stream.state == State::over || !flush(stream, id)) return;
  std::string words;
  for (int i = 0; i < kPullsInARow; ++i) {
    words.clear();
    const auto goes_on = ask(stream, [&](LiveBody& body) { return body.pull(words); });
    if (!goes_on) return;
    if (*goes_on && words.empty()) return;
    say(stream, words);
    if (!*goes_on) end(stream);
    if (!flush(stream, id)) return;
  }
  wake();  // there may be more
}

void LiveStreams::end(Stream& stream) {
  if (stream.reply.chunked) stream.out.append("0\r\n\r\n");
  stream.state = State::ending;
}

void LiveStreams::pass_time() {
  const auto now = Clock::now();
  for (auto& [id, stream] : streams_) {
    if (stream.state == State::over) continue;
    if (stream.blocked && now - stream.since >= services_.config.write_timeout) {
      logger_.info("a reader that takes nothing is cut peer={} waiting_bytes={}", stream.connection->peer(),
                   stream.out.size() - stream.sent);
      stream.state = State::over;
    } else if (!stream.blocked && now - stream.spoken_at >= services_.config.heartbeat) {
      std::string words;
      ask(stream, [&](LiveBody& body) {
        body.heartbeat(words);
        return true;
      });
      say(stream, words);
      stream.spoken_at = now;
      flush(stream, id);
    }
  }
}

void LiveStreams::dismiss() {
  for (auto& [id, stream] : streams_) {
    if (stream.state != State::open) continue;
    std::string words;
    ask(stream, [&](LiveBody& body) {
      body.farewell("shutting-down", words);
      return true;
    });
    say(stream, words);
    end(stream);
    if (!stream.blocked) flush(stream, id);
    // Nobody waits for who reads slowly; at its next connection it goes on where it was.
    stream.state = State::over;
  }
}

void LiveStreams::sweep() {
  for (auto it = streams_.begin(); it != streams_.end();) {
    if (it->second.state != State::over) {
      ++it;
      continue;
    }
    it = streams_.erase(it);
    --count_;
  }
}

}  // namespace qarax::http
