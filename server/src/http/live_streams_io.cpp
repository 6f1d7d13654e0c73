// What the LiveStreams thread does with one stream.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/logger.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <utility>

#include "http/live_streams.hpp"

namespace qarax::http {
namespace {

constexpr int kPullsInARow = 4;                             // after that it is the next stream's turn
constexpr int kReadsInARow = 8;                             // the same limit for reads
constexpr std::size_t kKeptOutput = std::size_t{4} * 1024;  // capacity of an emptied buffer above which it is freed
constexpr int kKeepAliveSeconds = 15;

}  // namespace

bool LiveStreams::listens(const Stream& stream) {
  return !stream.deaf && (stream.duplex == nullptr || stream.duplex->is_listening());
}

bool LiveStreams::watch(Stream& stream, std::uint64_t id, int operation) const {
  epoll_event event{};
  stream.listening = listens(stream);
  event.events = (stream.left ? 0U : static_cast<unsigned>(EPOLLRDHUP)) |
                 (stream.listening ? static_cast<unsigned>(EPOLLIN) : 0U) |
                 (stream.blocked ? static_cast<unsigned>(EPOLLOUT) : 0U);
  event.data.u64 = id;
  return ::epoll_ctl(epoll_.get(), operation, stream.connection->fd(), &event) == 0;
}

void LiveStreams::handle(std::uint64_t id, std::uint32_t events) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
  const bool leaves = (events & EPOLLRDHUP) != 0;
  if (stream.duplex != nullptr) {
    if (leaves && !stream.left) {
      // It is watched for no longer, because epoll would report it for as long as what the client sent waits for room.
      stream.left = true;
      if (!watch(stream, id, EPOLL_CTL_MOD)) stream.state = State::over;
    }
    if ((events & EPOLLOUT) != 0 && stream.blocked) {
      stream.blocked = false;
      ask(stream, [&](LiveBody&) {
        stream.duplex->receive({}, Clock::now());  // a client that takes data is alive, however late its pong
        return true;
      });
      if (stream.state != State::over && !watch(stream, id, EPOLL_CTL_MOD)) stream.state = State::over;
    }
    attend(stream, id);
    if (broken) stream.state = State::over;  // only now: what it sent before that has been received
    return;
  }
  if (broken || leaves) {
    stream.state = State::over;
    return;
  }
  if ((events & EPOLLIN) != 0) {
    // Nothing is expected from this client. Discard what it sends, or level-triggered epoll reports it forever.
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

void LiveStreams::begin_duplex(Stream& stream, std::uint64_t id) {
  // While nothing is read from a peer, its pong can't arrive; TCP keep-alive still notices a dead host.
  const int fd = stream.connection->fd();
  const auto set = [&](int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveSeconds / 3);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  const std::string early = std::exchange(stream.reply.early, {});
  ask(stream, [&](LiveBody&) {
    stream.duplex->begin([waker = waker_, id] { waker->wake(id); }, Clock::now());
    if (!early.empty()) stream.duplex->receive(early, Clock::now());
    return true;
  });
  attend(stream, id);
}

// Receives and sends what there is.
void LiveStreams::attend(Stream& stream, std::uint64_t id) {
  if (stream.duplex != nullptr) hear(stream, id);
  serve(stream, id);
  if (stream.duplex == nullptr || stream.state == State::over || listens(stream) == stream.listening) return;
  if (!watch(stream, id, EPOLL_CTL_MOD)) stream.state = State::over;
  // epoll doesn't report bytes that TLS has already read from the socket.
  if (stream.listening) waker_->wake(id);
}

void LiveStreams::hear(Stream& stream, std::uint64_t id) {
  std::array<char, 16'384> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  for (int i = 0; i < kReadsInARow; ++i) {
    if (stream.state == State::over || !listens(stream)) return;
    const IoResult got = stream.connection->transport().read(bytes.data(), bytes.size());
    if (got.state == IoResult::State::would_block) return;
    if (got.state == IoResult::State::closed) {
      // The stream goes on without the client until its input has arrived.
      stream.deaf = true;
      ask(stream, [&](LiveBody&) {
        stream.duplex->receive_end(Clock::now());
        return true;
      });
      return;
    }
    ask(stream, [&](LiveBody&) {
      stream.duplex->receive({bytes.data(), got.size}, Clock::now());
      return true;
    });
  }
  waker_->wake(id);  // there may be more
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

// False if no more can be sent now.
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

// Catches the exceptions of a body: only its own connection is cut, without the last chunk, so that the client sees an
// incomplete body.
std::optional<bool> LiveStreams::ask(Stream& stream, const std::function<bool(LiveBody&)>& question) {
  try {
    return question(*stream.reply.body);
  } catch (const std::exception& error) {
    logger_.error("a live reply failed: {} peer={}", error.what(), stream.connection->peer());
  } catch (...) {
    logger_.error("a live reply failed: something that is no std::exception peer={}", stream.connection->peer());
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
  waker_->wake(id);  // there may be more
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
    } else if (!stream.blocked && stream.duplex != nullptr) {
      if (now < stream.duplex->due()) continue;
      std::string words;
      const auto goes_on =
          ask(stream, [&, duplex = stream.duplex](LiveBody&) { return duplex->pass_time(now, words); });
      say(stream, words);
      flush(stream, id);
      if (goes_on.has_value() && !*goes_on) stream.state = State::over;
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
    // Don't wait for a slow reader; it resumes where it was with its next connection.
    stream.state = State::over;
  }
}

// Closing a socket with unread input resets the connection, and the client loses the last words. So shut down sending
// and read what there is first.
void LiveStreams::part(Stream& stream) {
  Transport& transport = stream.connection->transport();
  transport.end_writing();
  std::array<char, 16'384> waste;  // NOLINT(cppcoreguidelines-pro-type-member-init): never read
  for (int i = 0; i < kReadsInARow; ++i)
    if (::recv(transport.fd(), waste.data(), waste.size(), MSG_DONTWAIT) <= 0) return;
}

void LiveStreams::sweep() {
  for (auto it = streams_.begin(); it != streams_.end();) {
    if (it->second.state != State::over) {
      ++it;
      continue;
    }
    if (it->second.duplex != nullptr)
      part(it->second);
    else
      --count_;
    it = streams_.erase(it);
  }
}

}  // namespace qarax::http
