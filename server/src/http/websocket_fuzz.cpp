// Parses the bytes of a WebSocket client at once and byte by byte; both must give the same result.
#include <cstdint>
#include <cstdlib>

#include "http/websocket_frame.hpp"

namespace {

using namespace qarax::http;

constexpr std::size_t kLimit = 1024;

void require(bool condition) {
  if (!condition) std::abort();
}

class Notes final : public FrameTaker {
 public:
  void take_data(std::string_view bytes) override {
    require(!closed_ && !bytes.empty());
    data.append(bytes);
  }
  void take_ping(std::string_view payload) override { control('i', payload); }
  void take_pong(std::string_view payload) override { control('o', payload); }
  void take_close(SocketClose close) override {
    control('c', std::to_string(close.code) + close.reason);
    closed_ = true;
  }

  std::string data;
  std::string said;

 private:
  void control(char kind, std::string_view payload) {
    require(!closed_ && payload.size() <= 128);
    said.append(1, kind).append(payload);
  }
  bool closed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  FrameReader at_once(kLimit);
  FrameReader slowly(kLimit);
  Notes one;
  Notes other;
  const auto fault = at_once.feed(text, one);
  std::optional<SocketClose> late;
  for (std::size_t i = 0; i < size && !late; ++i) late = slowly.feed(text.substr(i, 1), other);
  require(fault.has_value() == late.has_value());
  require(one.said == other.said);
  if (!fault) require(one.data == other.data);
  if (fault) {
    require(fault->code == late->code && fault->reason == late->reason);
    // The close frame for the client must itself be valid.
    std::string out;
    append_close(out, *fault);
    require(out.size() <= 127);
  }
  return 0;
}
