// Replies that go on (LiveBody), all on one thread: a reader that has nothing to read costs a descriptor and some
// hundred bytes, and one that reads slowly keeps nobody waiting. Who takes nothing for the write timeout is cut.
// A body that listens (LiveDuplex) is told what comes back.
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

// Wakes the thread of LiveStreams, which it may outlive. Any thread.
class LiveWaker {
 public:
  LiveWaker();
  LiveWaker(const LiveWaker&) = delete;
  LiveWaker& operator=(const LiveWaker&) = delete;

  int fd() const noexcept { return fd_.get(); }  // an eventfd; negative: there was none to be had
  void wake_all() noexcept;
  void wake(std::uint64_t id);  // of a connection
  // For the thread: who was woken since. True: all.
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
  // Throws Poco::SystemException where the kernel gives no epoll instance. Starts nothing.
  LiveStreams(ConnectionServices& services, spdlog::logger& logger);
  ~LiveStreams();  // stop()
  LiveStreams(const LiveStreams&) = delete;
  LiveStreams& operator=(const LiveStreams&) = delete;

  void start();
  // Any thread; `connection` said Next::live. False: there are as many as may be, and it stays the caller's. Bodies
  // that listen are not counted: who makes them bounds them.
  bool adopt(std::unique_ptr<Connection>& connection);
  // Any thread: there may be something to pull. With services.draining set: says farewell to all.
  void wake() const noexcept { waker_->wake_all(); }
  // Ends the thread, closes what is left.
  void stop();

 private:
  using Clock = Connection::Clock;
  enum class State { open, ending, over };
  struct Stream {
    std::unique_ptr<Connection> connection;
    LiveReply reply;
    LiveDuplex* duplex = nullptr;  // the reply's body, where it listens
    bool listening = true;         // what epoll was told
    std::string out;
    std::size_t sent = 0;
    State state = State::open;
    bool blocked = false;         // until the socket takes more
    Clock::time_point since;      // when it took something last
    Clock::time_point spoken_at;  // when something was said last
  };

  void loop();
  int timeout_ms() const;
  void take_in();
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
  std::atomic<std::size_t> count_{0};  // of those that only speak

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> incoming_;
  // The thread's only.
  std::unordered_map<std::uint64_t, Stream> streams_;
};

}  // namespace qarax::http
