// The streamed reply of a connection: the only part that may wait for the client.
#include <poll.h>

#include <array>
#include <charconv>

#include "http/connection.hpp"

namespace qarax::http {
namespace {

using Clock = Connection::Clock;

class Sink : public StreamSink {
 public:
  Sink(Transport& transport, const ConnectionServices& services, bool chunked)
      : transport_(transport), services_(services), chunked_(chunked) {}

  bool write(std::string_view piece) override {
    if (piece.empty()) return open_ && !stopping();
    if (!chunked_) return send_all(piece, {});
    std::array<char, 20> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
    std::string framed(size.data(), end);
    framed.append("\r\n").append(piece).append("\r\n");
    return send_all(framed, {});
  }

  bool wait(std::chrono::milliseconds span) override {
    if (!open_) return false;
    std::array<pollfd, 2> fds = {pollfd{transport_.fd(), POLLRDHUP, 0}, pollfd{services_.stop_fd.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(span.count())) > 0) open_ = false;
    return open_;
  }

  // Sends bytes as they are, without chunk framing: also the head and the last chunk.
  bool send_all(std::string_view first, std::string_view second) {
    const auto until = Clock::now() + services_.config.write_timeout;
    while (open_ && !(first.empty() && second.empty())) {
      const IoResult sent = transport_.write(first, second);
      if (sent.state == IoResult::State::closed) {
        open_ = false;
      } else if (sent.state == IoResult::State::would_block) {
        open_ = wait_for_room(until);
      } else {
        const std::size_t of_first = std::min(sent.size, first.size());
        first.remove_prefix(of_first);
        second.remove_prefix(sent.size - of_first);
      }
    }
    return open_;
  }

  bool is_open() const noexcept { return open_; }

 private:
  bool stopping() const noexcept { return services_.draining.load(std::memory_order_relaxed); }

  bool wait_for_room(Clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0 || stopping()) return false;
    const bool for_read = transport_.is_tls() && !transport_.wants_write();
    std::array<pollfd, 2> fds = {pollfd{transport_.fd(), static_cast<short>(for_read ? POLLIN : POLLOUT), 0},
                                 pollfd{services_.stop_fd.get(), POLLIN, 0}};
    return ::poll(fds.data(), fds.size(), static_cast<int>(left)) > 0 && (fds[1].revents & POLLIN) == 0;
  }

  Transport& transport_;
  const ConnectionServices& services_;
  bool chunked_;
  bool open_ = true;
};

}  // namespace

Connection::Next Connection::run_stream() {
  const bool chunked = framing_.minor_version == 1;
  Sink sink(*transport_, services_, chunked);
  const bool begun = sink.send_all(head_out_, {});
  services_.pipeline.answered(request_, stream_status_,
                              std::chrono::duration<double>(Clock::now() - complete_at_).count());
  const BodyStream stream = std::exchange(stream_, nullptr);
  if (!begun) return Next::close;
  // After an exception the last chunk isn't sent, which tells the client that the body is incomplete.
  if (!services_.pipeline.run_stream(stream, sink, request_) || !sink.is_open()) return Next::close;
  if (live_) {
    head_out_.clear();
    phase_ = Phase::live;
    return Next::live;
  }
  if (chunked) sink.send_all("0\r\n\r\n", {});
  return Next::close;
}

LiveReply Connection::take_live() {
  if (!head_out_.empty())
    services_.pipeline.answered(request_, stream_status_,
                                std::chrono::duration<double>(Clock::now() - complete_at_).count());
  // Free the request's memory: a live reply may stay open for a long time.
  request_ = Request{};
  const bool upgraded = stream_status_ == 101;
  LiveReply out{std::move(live_), std::exchange(head_out_, {}), framing_.minor_version == 1 && !upgraded, {}};
  if (upgraded) {
    out.early = buffer_.view();
    buffer_.consume(out.early.size());
  }
  buffer_.release();
  return out;
}

}  // namespace qarax::http
