// The one thread that waits for new connections, for parked connections to become ready and for their deadlines.
#pragma once

#include <Poco/Net/Context.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Thread.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "http/connection.hpp"
#include "http/worker_pool.hpp"
#include "qarax/core/files.hpp"

namespace spdlog {
class logger;
}

namespace qarax::http {

class Poller {
 public:
  // `listener` is bound and listening; `tls` may be null. Starts no thread. Throws Poco::SystemException if the kernel
  // gives no epoll instance or eventfd, or can't watch a descriptor.
  Poller(const Poco::Net::ServerSocket& listener, Poco::Net::Context::Ptr tls, ConnectionServices& services,
         WorkerPool& workers, spdlog::logger& logger);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void start();
  // Any thread: keeps the connection until it is ready or its deadline passes.
  void park(std::unique_ptr<Connection> connection, Connection::Next wish);
  // To be called once services.draining is set: stops listening, closes idle connections.
  void drain();
  // Ends the thread and closes all parked connections.
  void stop();

 private:
  using Clock = Connection::Clock;
  // Ids in epoll's events; the ids of connections follow.
  static constexpr std::uint64_t kListener = 0;
  static constexpr std::uint64_t kWake = 1;
  struct Parked {
    std::unique_ptr<Connection> connection;
    Clock::time_point deadline;
  };

  void loop();
  int timeout_ms();
  void accept_some();
  bool accept_one();
  void admit(int fd, std::string peer);
  bool evict_oldest_idle();
  void ready(std::uint64_t id);
  void expire();
  void close_idle();
  void settle(std::unique_ptr<Connection> connection, Connection::Next wish);
  std::unique_ptr<Connection> take(std::uint64_t id);  // the caller holds mutex_
  void wake() const noexcept;
  void listen(bool on) noexcept;

  Poco::Net::ServerSocket listener_;
  Poco::Net::Context::Ptr tls_;
  ConnectionServices& services_;
  WorkerPool& workers_;
  spdlog::logger& logger_;
  const core::Fd epoll_;
  const core::Fd wake_;
  Poco::Thread thread_;
  bool started_ = false;
  std::atomic<bool> stopping_{false};
  bool drained_ = false;                           // the poller's thread only
  std::optional<Clock::time_point> listen_again_;  // set while out of descriptors; the poller's thread only
  std::uint64_t next_id_ = kWake + 1;

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Parked> parked_;
  std::set<std::pair<Clock::time_point, std::uint64_t>> deadlines_;
  Clock::time_point wakes_at_;  // when the thread next looks at the deadlines
};

}  // namespace qarax::http
