#include "http/websocket.hpp"

#include <utility>

namespace qarax::http {

namespace {
constexpr std::size_t kTyped = 4096;  // more than this nobody has typed that a guest which reads didn't take at once
}

WebSocket::WebSocket(std::unique_ptr<SocketPeer> peer, SocketLimits limits)
    : limits_(limits), peer_(std::move(peer)), reader_(limits.max_message) {}

void WebSocket::begin(std::function<void()> wake, Clock::time_point now) {
  heard_at_ = now;
  peer_->on_change(std::move(wake));
}

bool WebSocket::pull(std::string& out) {
  if (close_sent_) return !closed_by_ && !fault_;
  if (pong_) {
    append_frame(out, Opcode::pong, *pong_);
    pong_.reset();
  }
  if (fault_) {
    close(*fault_, out);
    return false;
  }
  std::string bytes;
  peer_->take(bytes);
  if (closed_by_) {
    // The client sent its close frame and ignores data from now on: discard the peer's bytes.
    while (!std::exchange(bytes, {}).empty()) peer_->take(bytes);
  } else if (!bytes.empty()) {
    append_frame(out, Opcode::binary, bytes);
  }
  const auto end = peer_->ended();
  if (!end) {
    if (closed_by_) note_progress(Clock::now());
    return true;
  }
  close(closed_by_ ? answer(*end) : *end, out);
  return !closed_by_;  // wait for the client's close frame: closing earlier might lose the last bytes
}

void WebSocket::close(const SocketClose& why, std::string& out) {
  append_close(out, why);
  if (!closed_by_) closing_since_ = Clock::now();
  close_sent_ = true;
  peer_.reset();
}

// The client's own code says that its input has arrived; so it isn't given where that is not known.
SocketClose WebSocket::answer(const SocketClose& end) const {
  if (input_ == 0) return *closed_by_;
  if (end.code != SocketClose::kNormal) return end;
  if (peer_->unsent() == 0) return *closed_by_;
  return {SocketClose::kFailed, "the other side ended before all of the input has arrived"};
}

void WebSocket::note_progress(Clock::time_point now) {
  const std::size_t left = peer_->unsent();
  if (left < unsent_) closing_since_ = now;
  unsent_ = left;
}

void WebSocket::farewell(std::string_view, std::string& out) {
  if (!close_sent_) close({SocketClose::kGoingAway, "the server is ending; connect again in a moment"}, out);
}

bool WebSocket::is_listening() const noexcept { return !peer_ || closed_by_ || peer_->has_room(); }

void WebSocket::receive(std::string_view bytes, Clock::time_point now) {
  heard_at_ = now;
  pinged_ = false;
  if (!fault_) fault_ = reader_.feed(bytes, *this);
}

void WebSocket::receive_end(Clock::time_point now) {
  heard_at_ = now;
  if (!closed_by_) take_close({SocketClose::kNoStatus, ""});
}

void WebSocket::take_data(std::string_view bytes) {
  if (!peer_) return;
  input_ += bytes.size();
  peer_->give(bytes);
}

void WebSocket::take_ping(std::string_view payload) { pong_ = payload; }

void WebSocket::take_pong(std::string_view) {}  // nothing to do: receive() has noted the sign of life

void WebSocket::take_close(SocketClose close) {
  closed_by_ = std::move(close);
  closing_since_ = heard_at_;
  if (!peer_) return;
  peer_->end_input();
  unsent_ = peer_->unsent();
}

WebSocket::Clock::time_point WebSocket::due() const noexcept {
  if (close_sent_) return closing_since_ + limits_.closing;
  if (closed_by_) return closing_since_ + (input_ > kTyped ? limits_.closing_bulk : limits_.closing);
  // While nothing is read, a pong would wait behind unread data; TCP keep-alive watches over such a client.
  if (!is_listening()) return Clock::time_point::max();
  return heard_at_ + (pinged_ ? 2 : 1) * limits_.ping_every;
}

bool WebSocket::pass_time(Clock::time_point now, std::string& out) {
  if (now < due()) return true;
  if (close_sent_) return false;
  if (closed_by_) {
    note_progress(now);
    if (now < due()) return true;
    close(answer({SocketClose::kFailed, "it wasn't confirmed in time that all of the input has arrived"}), out);
    return false;
  }
  if (pinged_) return false;
  append_frame(out, Opcode::ping, "");
  pinged_ = true;
  return true;
}

}  // namespace qarax::http
