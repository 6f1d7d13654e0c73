// The client's side of WebSockets for tests: builds the frames of a client and reads those of the server.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "http/testing/raw_client.hpp"
#include "http/websocket_frame.hpp"

namespace qarax::http::testing {

inline std::string masked(Opcode opcode, std::string_view payload, bool final = true) {
  std::string out;
  append_frame(out, opcode, payload);
  const std::size_t head = out.size() - payload.size();
  if (!final) out[0] = static_cast<char>(static_cast<unsigned char>(out[0]) & 0x7FU);
  out[1] = static_cast<char>(static_cast<unsigned char>(out[1]) | 0x80U);
  constexpr std::array<unsigned char, 4> kKey = {0x5A, 0x00, 0xFF, 0x13};
  std::string rest = out.substr(head);
  for (std::size_t i = 0; i < rest.size(); ++i)
    rest[i] = static_cast<char>(static_cast<unsigned char>(rest[i]) ^ kKey[i % 4]);
  return out.substr(0, head) + std::string(kKey.begin(), kKey.end()) + rest;
}

struct Frame {
  Opcode opcode;
  std::string payload;
  // The code of a close frame, 0 if it has none.
  int code() const {
    return payload.size() < 2 ? 0
                              : static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  }
};

// The next frame from the server; nullopt at the end of the connection.
inline std::optional<Frame> next_frame(RawClient& client) {
  const auto head = client.bytes(2);
  if (!head) return std::nullopt;
  std::size_t size = static_cast<unsigned char>((*head)[1]);
  if (size >= 126) {
    const auto extended = client.bytes(size == 126 ? 2 : 8);
    if (!extended) return std::nullopt;
    size = 0;
    for (const char c : *extended) size = size * 256 + static_cast<unsigned char>(c);
  }
  auto payload = client.bytes(size);
  if (!payload) return std::nullopt;
  return Frame{static_cast<Opcode>(static_cast<unsigned char>((*head)[0]) & 0x0FU), std::move(*payload)};
}

}  // namespace qarax::http::testing
