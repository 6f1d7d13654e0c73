// The framing of WebSockets (RFC 6455), the server's side: what a client sends is taken apart strictly, what goes to it
// is put together. No sockets in here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/utf8_check.hpp"

namespace qarax::http {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Why a WebSocket ends, as both sides tell each other.
struct SocketClose {
  static constexpr std::uint16_t kNormal = 1000;
  static constexpr std::uint16_t kGoingAway = 1001;
  static constexpr std::uint16_t kProtocolError = 1002;
  static constexpr std::uint16_t kNoStatus = 1005;  // never sent: the peer's close frame had no code
  static constexpr std::uint16_t kBadText = 1007;
  static constexpr std::uint16_t kTooLarge = 1009;
  static constexpr std::uint16_t kFailed = 1011;

  std::uint16_t code = kNormal;
  std::string reason;
};

// Unmasked, as a server's frames are; whole (FIN).
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
// The reason is cut to what a control frame holds, between two characters. kNoStatus: without a code.
void append_close(std::string& out, const SocketClose& close);

// What a client sent, in order. A message's bytes come as they arrive, a message's end is not told.
class FrameTaker {
 public:
  virtual ~FrameTaker() = default;
  virtual void take_data(std::string_view bytes) = 0;
  virtual void take_ping(std::string_view payload) = 0;
  virtual void take_pong(std::string_view payload) = 0;
  virtual void take_close(SocketClose close) = 0;  // nothing comes after it
};

class FrameReader {
 public:
  explicit FrameReader(std::size_t max_message) : max_message_(max_message) {}

  // A value: the client broke the protocol, with that the connection has to end. What follows a close frame or a fault
  // is ignored.
  std::optional<SocketClose> feed(std::string_view bytes, FrameTaker& taker);

 private:
  std::optional<SocketClose> begin_frame();
  std::optional<SocketClose> take_payload(std::string_view& bytes, FrameTaker& taker);
  std::optional<SocketClose> end_control(FrameTaker& taker);
  std::size_t head_size() const noexcept;
  static bool is_control(Opcode opcode) noexcept { return static_cast<unsigned>(opcode) >= 8U; }

  const std::size_t max_message_;
  std::array<unsigned char, 14> head_{};  // of the frame that is being read
  std::size_t head_read_ = 0;
  bool in_payload_ = false;
  bool over_ = false;
  bool final_ = false;
  Opcode opcode_ = Opcode::binary;
  std::uint64_t left_ = 0;  // of the payload
  std::size_t mask_at_ = 0;
  std::string scratch_;            // a control frame's payload, or a piece of data without its mask
  std::optional<Opcode> message_;  // a message has begun and hasn't ended
  std::uint64_t message_size_ = 0;
  Utf8Check text_;
};

}  // namespace qarax::http
