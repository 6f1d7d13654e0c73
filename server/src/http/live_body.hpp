// The body of a reply that stays open indefinitely, with long pauses: the server calls pull() whenever there may be
// something to send, and no thread waits meanwhile. Used by one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace qarax::http {

class LiveDuplex;

class LiveBody {
 public:
  virtual ~LiveBody() = default;
  // Appends what there is to send now, some tens of kilobytes at most; never waits. False: the body ends after it.
  virtual bool pull(std::string& out) = 0;
  // Appends something harmless that keeps a silent connection alive.
  virtual void heartbeat(std::string& out) = 0;
  // The server ends the body for `reason`: appends its last words to `out`.
  virtual void farewell(std::string_view reason, std::string& out) = 0;
  // This object if it also receives, else null.
  virtual LiveDuplex* duplex() noexcept { return nullptr; }
};

// A body that also receives, which needs an upgraded connection (101). It has its own timer (due(), pass_time());
// heartbeat() isn't called.
class LiveDuplex : public LiveBody {
 public:
  using Clock = std::chrono::steady_clock;

  // Called before anything else. `wake` makes the server call pull() and is_listening() again at once; any thread may
  // call it, even after this body's end.
  virtual void begin(std::function<void()> wake, Clock::time_point now) = 0;
  // Whether the server may call receive(). While false, nothing is read from the peer, which then has to wait.
  virtual bool is_listening() const noexcept = 0;
  // Takes what the peer has sent, some tens of kilobytes at most. Empty `bytes` only say that the peer is alive. Never
  // waits; the reaction to it is fetched with pull().
  virtual void receive(std::string_view bytes, Clock::time_point now) = 0;
  // The peer sends nothing more. Called once, after everything that it sent was received.
  virtual void receive_end(Clock::time_point now) = 0;
  // due() is the time at which the server calls pass_time(), which appends what is to be sent then and returns false if
  // the connection is to be dropped.
  virtual Clock::time_point due() const noexcept = 0;
  virtual bool pass_time(Clock::time_point now, std::string& out) = 0;

  void heartbeat(std::string&) final {}
  LiveDuplex* duplex() noexcept final { return this; }
};

}  // namespace qarax::http
