// WebSocket framing (RFC 6455), the server's side: strict parsing of a client's frames, building of the server's. No
// sockets in here.
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

// Why a WebSocket ends: the content of a close frame.
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

// Appends one unmasked, unfragmented (FIN) frame, as a server sends them.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
// Appends a close frame. The reason is cut at a character boundary to what a control frame holds. kNoStatus: no code.
void append_close(std::string& out, const SocketClose& close);

// Receives what a client sent, in order. The bytes of a message are passed on as they arrive; the end of a message is
// not reported.
class FrameTaker {
 public:
  virtual ~FrameTaker() = default;
  virtual void take_data(std::string_view bytes) = 0;
  virtual void take_ping(std::string_view payload) = 0;
  virtual void take_pong(std::string_view payload) = 0;
  virtual void take_close(SocketClose close) = 0;  // the last call
};

class FrameReader {
 public:
  explicit FrameReader(std::size_t max_message) : max_message_(max_message) {}

  // A value means that the client broke the protocol and the connection must be closed with it. Bytes after a close
  // frame or a fault are ignored.
  std::optional<SocketClose> feed(std::string_view bytes, FrameTaker& taker);

 private:
  std::optional<SocketClose> begin_frame();
  std::optional<SocketClose> take_payload(std::string_view& bytes, FrameTaker& taker);
  std::optional<SocketClose> end_control(FrameTaker& taker);
  std::size_t head_size() const noexcept;
  static bool is_control(Opcode opcode) noexcept { return static_cast<unsigned>(opcode) >= 8U; }

  const std::size_t max_message_;
  std::array<unsigned char, 14> head_{};  // head of the frame being read
  std::size_t head_read_ = 0;
  bool in_payload_ = false;
  bool over_ = false;
  bool final_ = false;
  Opcode opcode_ = Opcode::binary;
  std::uint64_t left_ = 0;  // bytes of the payload still to come
  std::size_t mask_at_ = 0;
  std::string scratch_;            // a control frame's payload, or an unmasked piece of data
  std::optional<Opcode> message_;  // type of the message in progress
  std::uint64_t message_size_ = 0;
  Utf8Check text_;
};

}  // namespace qarax::http
