// Serves all live replies (LiveBody) on one thread: an idle reader costs a descriptor and some hundred bytes, and a
// slow one delays nobody. A client that takes nothing for the write timeout is cut. What a client sends is passed to a
// body that receives (LiveDuplex).
#pragma once

#include <Poco/Thread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "http/connection.hpp"
#include "qarax/core/files.hpp"

namespace spdlog {
class logger;
}

namespace qarax::http {

// Wakes the thread of LiveStreams and may outlive it. Any thread.
class LiveWaker {
 public:
  LiveWaker();
  LiveWaker(const LiveWaker&) = delete;
  LiveWaker& operator=(const LiveWaker&) = delete;

  int fd() const noexcept { return fd_.get(); }  // an eventfd; negative if it couldn't be created
  void wake_all() noexcept;
  void wake(std::uint64_t id);  // id of a connection
  // For the LiveStreams thread: moves the ids woken since the last call to `ids`. True: all were woken.
  bool take(std::unordered_set<std::uint64_t>& ids);

 private:
  void write() const noexcept;

  const core::Fd fd_;
  std::atomic<bool> all_{false};
  std::mutex mutex_;
  std::unordered_set<std::uint64_t> ids_;
};

class LiveStreams {
 public:
  // Throws Poco::SystemException if the kernel gives no epoll instance or eventfd, or can't watch it. Starts no thread.
  LiveStreams(ConnectionServices& services, spdlog::logger& logger);
  ~LiveStreams();  // stop()
  LiveStreams(const LiveStreams&) = delete;
  LiveStreams& operator=(const LiveStreams&) = delete;

  void start();
  // Takes over a connection that returned Next::live. Any thread. False if max_live_streams is reached; the connection
  // then stays the caller's. Bodies that receive aren't counted here: their creator limits them.
  bool adopt(std::unique_ptr<Connection>& connection);
  // Any thread: there may be something to pull. Once services.draining is set, this ends all bodies (farewell()).
  void wake() const noexcept { waker_->wake_all(); }
  // Ends the thread and closes the remaining connections.
  void stop();

 private:
  using Clock = Connection::Clock;
  enum class State { open, ending, over };
  struct Stream {
    std::unique_ptr<Connection> connection;
    LiveReply reply;
    LiveDuplex* duplex = nullptr;  // the reply's body if it receives, else null
    bool listening = true;         // whether epoll currently watches for input
    bool left = false;             // the client has closed its side; what it sent before that may be unread
    bool deaf = false;             // all of it was read
    std::string out;
    std::size_t sent = 0;
    State state = State::open;
    bool blocked = false;         // waits for the socket to become writable
    Clock::time_point since;      // when the socket last took something
    Clock::time_point spoken_at;  // when something was last queued for sending
  };

  void loop();
  int timeout_ms() const;
  void take_in();
  static bool listens(const Stream& stream);
  bool watch(Stream& stream, std::uint64_t id, int operation) const;
  void handle(std::uint64_t id, std::uint32_t events);
  void begin_duplex(Stream& stream, std::uint64_t id);
  void attend(Stream& stream, std::uint64_t id);
  void hear(Stream& stream, std::uint64_t id);
  static void part(Stream& stream);
  void serve(Stream& stream, std::uint64_t id);
  bool flush(Stream& stream, std::uint64_t id);
  std::optional<bool> ask(Stream& stream, const std::function<bool(LiveBody&)>& question);
  static void say(Stream& stream, std::string_view words);
  static void end(Stream& stream);
  void pass_time();
  void dismiss();
  void sweep();

  ConnectionServices& services_;
  spdlog::logger& logger_;
  const core::Fd epoll_;
  const std::shared_ptr<LiveWaker> waker_;
  Poco::Thread thread_;
  bool started_ = false;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> count_{0};  // streams with a send-only body

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> incoming_;
  // Used by the LiveStreams thread only.
  std::unordered_map<std::uint64_t, Stream> streams_;
};

}  // namespace qarax::http
