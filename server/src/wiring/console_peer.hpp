// Connects a console line to a WebSocket. The number of such connections is limited by places.
#pragma once

#include <atomic>
#include <memory>

#include "fleet.hpp"
#include "http/websocket.hpp"

namespace qarax::server {

// A place for one connection; the destructor gives it back.
class ConsolePlace {
 public:
  // RESOURCE_EXHAUSTED "quota-exceeded" if all `most` places are taken. Borrows `taken`.
  static Result<ConsolePlace> take(std::atomic<std::int64_t>& taken, std::int64_t most);

  ConsolePlace(ConsolePlace&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
  ~ConsolePlace() {
    if (taken_ != nullptr) --*taken_;
  }
  ConsolePlace(const ConsolePlace&) = delete;
  ConsolePlace& operator=(const ConsolePlace&) = delete;
  ConsolePlace& operator=(ConsolePlace&&) = delete;

 private:
  explicit ConsolePlace(std::atomic<std::int64_t>* taken) : taken_(taken) {}

  std::atomic<std::int64_t>* taken_;
};

class ConsolePeer final : public http::SocketPeer {
 public:
  ConsolePeer(std::unique_ptr<ConsoleLine> line, ConsolePlace place)
      : place_(std::move(place)), line_(std::move(line)) {}

  void on_change(std::function<void()> wake) override { line_->on_change(std::move(wake)); }
  void take(std::string& out) override { line_->take(out); }
  std::optional<http::SocketClose> ended() override;
  bool has_room() const noexcept override { return line_->has_room(); }
  void give(std::string_view bytes) override { line_->give(bytes); }
  std::size_t unsent() const noexcept override { return line_->unsent(); }
  void end_input() override { line_->end_input(); }

 private:
  const ConsolePlace place_;
  const std::unique_ptr<ConsoleLine> line_;
};

}  // namespace qarax::server
