// One WebSocket (RFC 6455) in front of a SocketPeer, which takes and gives bytes: frames, pings, the closing handshake.
// Bytes are sent as binary messages; received messages, binary or text, form one stream of bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/live_body.hpp"
#include "http/websocket_frame.hpp"

namespace qarax::http {

// The endpoint behind a WebSocket. Used on the LiveStreams thread, so nothing here may wait; destroyed when the client
// is gone or the close frame has been sent.
class SocketPeer {
 public:
  virtual ~SocketPeer() = default;
  // The peer must call `wake` whenever the result of take(), ended() or has_room() changes. Any thread may call it, at
  // any time.
  virtual void on_change(std::function<void()> wake) = 0;
  // Appends the bytes for the client, some tens of kilobytes at most.
  virtual void take(std::string& out) = 0;
  // Once everything was taken and nothing more will come: how it ended. Until then nullopt.
  virtual std::optional<SocketClose> ended() = 0;
  // Whether there is room for some tens of kilobytes from the client.
  virtual bool has_room() const noexcept = 0;
  virtual void give(std::string_view bytes) = 0;
  // How many of the bytes given still wait here. A change of it calls for `wake`, too.
  virtual std::size_t unsent() const noexcept = 0;
  // The client sends nothing more. The bytes given so far must still be delivered; after that ended() returns a value,
  // whose code is kNormal if they were.
  virtual void end_input() = 0;
};

struct SocketLimits {
  std::size_t max_message = std::size_t{1} << 20;
  std::chrono::milliseconds ping_every{15'000};  // on silence; the connection ends if the next interval is silent too
  // Time limit for the client's close frame; and for end_input() to take effect, counted from the last progress of the
  // input.
  std::chrono::milliseconds closing{2'000};
  // The latter where the client has sent more than a person types: of what a slow guest takes, only steps of some tens
  // of kilobytes are seen here.
  std::chrono::milliseconds closing_bulk{10'000};
};

class WebSocket final : public LiveDuplex, private FrameTaker {
 public:
  WebSocket(std::unique_ptr<SocketPeer> peer, SocketLimits limits);

  void begin(std::function<void()> wake, Clock::time_point now) override;
  bool pull(std::string& out) override;
  void farewell(std::string_view reason, std::string& out) override;
  bool is_listening() const noexcept override;
  void receive(std::string_view bytes, Clock::time_point now) override;
  void receive_end(Clock::time_point now) override;
  Clock::time_point due() const noexcept override;
  bool pass_time(Clock::time_point now, std::string& out) override;

 private:
  void take_data(std::string_view bytes) override;
  void take_ping(std::string_view payload) override;
  void take_pong(std::string_view payload) override;
  void take_close(SocketClose close) override;
  void close(const SocketClose& why, std::string& out);
  SocketClose answer(const SocketClose& end) const;
  void note_progress(Clock::time_point now);

  const SocketLimits limits_;
  std::unique_ptr<SocketPeer> peer_;  // null once the close frame has been sent
  FrameReader reader_;
  Clock::time_point heard_at_;
  bool pinged_ = false;                   // a ping was sent since heard_at_
  std::optional<std::string> pong_;       // answer to the last ping; earlier pings need none (RFC 6455 5.5.3)
  std::optional<SocketClose> fault_;      // a protocol violation by the client
  std::optional<SocketClose> closed_by_;  // the client's close frame; without a code if it left without one
  std::size_t input_ = 0;                 // bytes of data that the client has sent
  std::size_t unsent_ = 0;                // the peer's, since closed_by_
  Clock::time_point closing_since_;
  bool close_sent_ = false;
};

}  // namespace qarax::http
