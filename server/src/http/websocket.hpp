// One WebSocket (RFC 6455) in front of something that takes and gives bytes: frames, pings, the closing of both sides.
// Bytes go out as binary messages; what comes in, binary or text, is one stream of bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/live_body.hpp"
#include "http/websocket_frame.hpp"

namespace qarax::http {

// What is behind a WebSocket. Used on the server's thread for live streams, so nothing here may wait; destroyed when
// the client is gone or has been told the end.
class SocketPeer {
 public:
  virtual ~SocketPeer() = default;
  // `wake` after each change of what take(), ended() and has_room() say. Any thread may call it, at any time.
  virtual void on_change(std::function<void()> wake) = 0;
  // Appends what there is for the client, some ten kilobytes at most.
  virtual void take(std::string& out) = 0;
  // Nothing comes any more, and everything was taken: how it ended.
  virtual std::optional<SocketClose> ended() = 0;
  // Room for a few ten kilobytes from the client.
  virtual bool has_room() const noexcept = 0;
  virtual void give(std::string_view bytes) = 0;
  // The client gives nothing more: what was given is to arrive, and then ended() to say so.
  virtual void end_input() = 0;
};

struct SocketLimits {
  std::size_t max_message = std::size_t{1} << 20;
  std::chrono::milliseconds ping_every{15'000};  // where nothing was heard; without an answer it ends as long after
  std::chrono::milliseconds closing{2'000};      // for the peer's side of the closing, and for end_input()
};

class WebSocket final : public LiveDuplex, private FrameTaker {
 public:
  WebSocket(std::unique_ptr<SocketPeer> peer, SocketLimits limits);

  void begin(std::function<void()> wake, Clock::time_point now) override;
  bool pull(std::string& out) override;
  void farewell(std::string_view reason, std::string& out) override;
  bool is_listening() const noexcept override;
  void receive(std::string_view bytes, Clock::time_point now) override;
  Clock::time_point due() const noexcept override;
  bool pass_time(Clock::time_point now, std::string& out) override;

 private:
  void take_data(std::string_view bytes) override;
  void take_ping(std::string_view payload) override;
  void take_pong(std::string_view payload) override;
  void take_close(SocketClose close) override;
  void close(const SocketClose& why, std::string& out);

  const SocketLimits limits_;
  std::unique_ptr<SocketPeer> peer_;  // null from the sending of the close frame on
  FrameReader reader_;
  Clock::time_point heard_at_;
  bool pinged_ = false;                   // since then
  std::optional<std::string> pong_;       // the last ping's, to be sent: earlier ones need no answer (RFC 6455 5.5.3)
  std::optional<SocketClose> fault_;      // of the client's
  std::optional<SocketClose> closed_by_;  // the client's close frame
  Clock::time_point closing_since_;
  bool close_sent_ = false;
};

}  // namespace qarax::http
