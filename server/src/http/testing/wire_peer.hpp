// The SocketPeer behind the WebSockets of a test: sends what the test tells it and keeps what it receives.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "http/testing/raw_client.hpp"
#include "http/websocket.hpp"

namespace qarax::http::testing {

// State shared by a test and its peers; outlives the sockets.
struct Wire {
  std::mutex mutex;
  std::function<void()> wake;
  std::string to_client;
  std::string from_client;
  std::optional<SocketClose> end;
  bool has_room = true;
  std::size_t unsent = 0;
  bool ends_with_input = true;
  std::atomic<int> open{0};

  template <class Change>
  void change(Change what) {
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex);
      what();
      call = wake;
    }
    if (call) call();
  }
  void say(std::string_view text) {
    change([&] { to_client.append(text); });
  }
  bool has_heard(const std::string& text) {
    return eventually([&] {
      const std::lock_guard lock(mutex);
      return from_client == text;
    });
  }
};

class WirePeer final : public SocketPeer {
 public:
  explicit WirePeer(Wire& wire) : wire_(wire) { ++wire_.open; }
  ~WirePeer() override {
    const std::lock_guard lock(wire_.mutex);
    wire_.wake = nullptr;
    --wire_.open;
  }
  void on_change(std::function<void()> wake) override {
    const std::lock_guard lock(wire_.mutex);
    wire_.wake = std::move(wake);
  }
  void take(std::string& out) override {
    const std::lock_guard lock(wire_.mutex);
    const std::string piece = wire_.to_client.substr(0, 32'768);
    wire_.to_client.erase(0, piece.size());
    out.append(piece);
  }
  std::optional<SocketClose> ended() override {
    const std::lock_guard lock(wire_.mutex);
    return wire_.to_client.empty() ? wire_.end : std::nullopt;
  }
  bool has_room() const noexcept override {
    const std::lock_guard lock(wire_.mutex);
    return wire_.has_room;
  }
  void give(std::string_view bytes) override {
    const std::lock_guard lock(wire_.mutex);
    wire_.from_client.append(bytes);
  }
  std::size_t unsent() const noexcept override {
    const std::lock_guard lock(wire_.mutex);
    return wire_.unsent;
  }
  void end_input() override {
    const std::lock_guard lock(wire_.mutex);
    if (wire_.ends_with_input) wire_.end = SocketClose{1000, "input ended"};
  }

 private:
  Wire& wire_;
};

}  // namespace qarax::http::testing
