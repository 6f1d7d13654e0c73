#include "http/websocket_frame.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace qarax::http {
namespace {

constexpr std::size_t kMaxControl = 125;
constexpr unsigned kFin = 0x80;
constexpr unsigned kReserved = 0x70;
constexpr unsigned kMasked = 0x80;
constexpr unsigned kLength16 = 126;
constexpr unsigned kLength64 = 127;

SocketClose broken(std::string why) { return {SocketClose::kProtocolError, std::move(why)}; }

bool is_known(unsigned opcode) noexcept { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

// RFC 6455 7.4: codes that are allowed in a close frame.
bool may_be_sent(unsigned code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out.push_back(static_cast<char>(kFin | static_cast<unsigned>(opcode)));
  const std::uint64_t size = payload.size();
  int bytes = 0;
  if (size < kLength16) {
    out.push_back(static_cast<char>(size));
  } else if (size <= 0xFFFF) {
    out.push_back(static_cast<char>(kLength16));
    bytes = 2;
  } else {
    out.push_back(static_cast<char>(kLength64));
    bytes = 8;
  }
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>((size >> (8 * i)) & 0xFF));
  out.append(payload);
}

void append_close(std::string& out, const SocketClose& close) {
  std::string payload;
  if (close.code != SocketClose::kNoStatus) {
    payload.push_back(static_cast<char>(close.code >> 8));
    payload.push_back(static_cast<char>(close.code & 0xFF));
    std::string_view reason = close.reason;
    if (reason.size() > kMaxControl - 2) {
      std::size_t end = kMaxControl - 2;
      while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80) --end;
      reason = reason.substr(0, end);
    }
    payload.append(reason);
  }
  append_frame(out, Opcode::close, payload);
}

std::size_t FrameReader::head_size() const noexcept {
  if (head_read_ < 2) return 2;
  const unsigned length = head_[1] & ~kMasked;
  const std::size_t extended = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  return 2 + extended + ((head_[1] & kMasked) != 0 ? 4 : 0);
}

std::optional<SocketClose> FrameReader::feed(std::string_view bytes, FrameTaker& taker) {
  while (!over_ && !bytes.empty()) {
    std::optional<SocketClose> fault;
    if (in_payload_) {
      fault = take_payload(bytes, taker);
    } else {
      head_[head_read_++] = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      if (head_read_ >= head_size()) fault = begin_frame();
      if (!fault && in_payload_ && left_ == 0) fault = take_payload(bytes, taker);
    }
    if (!fault) continue;
    over_ = true;
    return fault;
  }
  return std::nullopt;
}

std::optional<SocketClose> FrameReader::begin_frame() {
  const unsigned opcode = head_[0] & 0x0FU;
  final_ = (head_[0] & kFin) != 0;
  if ((head_[0] & kReserved) != 0) return broken("reserved bits are set and no extension was agreed on");
  if (!is_known(opcode)) return broken("opcode " + std::to_string(opcode) + " is reserved");
  if ((head_[1] & kMasked) == 0) return broken("a client's frames have to be masked");
  opcode_ = static_cast<Opcode>(opcode);
  const unsigned length = head_[1] & ~kMasked;
  left_ = length;
  if (length >= kLength16) {
    left_ = 0;
    for (std::size_t i = 2; i < head_read_ - 4; ++i) left_ = (left_ << 8) | head_[i];
    if (left_ < kLength16 || (length == kLength64 && left_ <= 0xFFFF))
      return broken("a length is longer than it needs");
    if ((left_ >> 63) != 0) return broken("a length has its highest bit set");
  }
  if (is_control(opcode_)) {
    if (!final_ || left_ > kMaxControl) return broken("a control frame is fragmented or over 125 bytes");
  } else {
    if ((opcode_ == Opcode::continuation) != message_.has_value())
      return broken(message_ ? "a message begins inside another one" : "a continuation continues nothing");
    if (!message_) {
      message_ = opcode_;
      message_size_ = 0;
      text_.reset();
    }
    if (left_ > max_message_ - std::min<std::uint64_t>(message_size_, max_message_))
      return SocketClose{SocketClose::kTooLarge, "messages may have " + std::to_string(max_message_) + " bytes"};
    message_size_ += left_;
  }
  scratch_.clear();
  mask_at_ = 0;
  in_payload_ = true;
  return std::nullopt;
}

std::optional<SocketClose> FrameReader::take_payload(std::string_view& bytes, FrameTaker& taker) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  const bool control = is_control(opcode_);
  if (!control) scratch_.clear();
  for (const char c : bytes.substr(0, size)) {
    const unsigned char key = head_[head_read_ - 4 + mask_at_];
    scratch_.push_back(static_cast<char>(static_cast<unsigned char>(c) ^ key));
    mask_at_ = (mask_at_ + 1) % 4;
  }
  bytes.remove_prefix(size);
  left_ -= size;
  if (!control) {
    if (message_ == Opcode::text && !text_.feed(scratch_))
      return SocketClose{SocketClose::kBadText, "a text message is not UTF-8; send bytes as binary messages"};
    if (!scratch_.empty()) taker.take_data(scratch_);
  }
  if (left_ > 0) return std::nullopt;
  in_payload_ = false;
  std::optional<SocketClose> fault;
  if (control) {
    fault = end_control(taker);
  } else if (final_) {
    if (message_ == Opcode::text && !text_.is_whole())
      fault = SocketClose{SocketClose::kBadText, "a text message ends inside a character"};
    message_.reset();
  }
  head_read_ = 0;
  return fault;
}

std::optional<SocketClose> FrameReader::end_control(FrameTaker& taker) {
  if (opcode_ == Opcode::ping) {
    taker.take_ping(scratch_);
    return std::nullopt;
  }
  if (opcode_ == Opcode::pong) {
    taker.take_pong(scratch_);
    return std::nullopt;
  }
  SocketClose close{SocketClose::kNoStatus, ""};
  if (scratch_.size() == 1) return broken("a close frame has half a code");
  if (scratch_.size() >= 2) {
    const unsigned code = (static_cast<unsigned char>(scratch_[0]) << 8U) | static_cast<unsigned char>(scratch_[1]);
    if (!may_be_sent(code)) return broken("a close frame has the code " + std::to_string(code));
    close = {static_cast<std::uint16_t>(code), scratch_.substr(2)};
    if (!is_utf8(close.reason)) return SocketClose{SocketClose::kBadText, "the reason of a close frame is not UTF-8"};
  }
  over_ = true;
  taker.take_close(std::move(close));
  return std::nullopt;
}

}  // namespace qarax::http
