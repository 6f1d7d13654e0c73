// The body of a reply that goes on for as long as both sides like, with long pauses: it is asked for what there is to
// send whenever there may be something, and costs no thread meanwhile. Used by one thread at a time.
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
  // Appends what there is now, some ten kilobytes at most; never waits. False: the body ends behind it.
  virtual bool pull(std::string& out) = 0;
  // Appends what keeps a silent connection alive.
  virtual void heartbeat(std::string& out) = 0;
  // The server ends it for that reason: its last words.
  virtual void farewell(std::string_view reason, std::string& out) = 0;
  // This, where it also listens.
  virtual LiveDuplex* duplex() noexcept { return nullptr; }
};

// A body that also listens, which needs an upgraded connection (101). It keeps its own time; heartbeat() isn't called.
class LiveDuplex : public LiveBody {
 public:
  using Clock = std::chrono::steady_clock;

  // Before anything else. `wake` makes the server ask again, now; any thread may call it, also after this body's end.
  virtual void begin(std::function<void()> wake, Clock::time_point now) = 0;
  // Whether receive() shall be called: a peer that isn't listened to waits.
  virtual bool is_listening() const noexcept = 0;
  // What the peer has sent, some ten kilobytes at most, or nothing but a sign of life; never waits. What follows from
  // it is pulled.
  virtual void receive(std::string_view bytes, Clock::time_point now) = 0;
  // When pass_time() shall be called; it appends what is to be said then. False: the connection is of no use any more.
  virtual Clock::time_point due() const noexcept = 0;
  virtual bool pass_time(Clock::time_point now, std::string& out) = 0;

  void heartbeat(std::string&) final {}
  LiveDuplex* duplex() noexcept final { return this; }
};

}  // namespace qarax::http
