// All open connections, so that a stop can wait until they end and cut those that don't. Any thread.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <unordered_set>

namespace qarax::http {

class ConnectionRegistry {
 public:
  // Held by a connection and destroyed before its descriptor is closed.
  class Entry {
   public:
    Entry(ConnectionRegistry& registry, int fd) : registry_(registry), fd_(fd) {
      const std::lock_guard lock(registry_.mutex_);
      registry_.fds_.insert(fd_);
    }
    ~Entry() {
      const std::lock_guard lock(registry_.mutex_);
      registry_.fds_.erase(fd_);
      if (registry_.fds_.empty()) registry_.empty_.notify_all();
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    ConnectionRegistry& registry_;
    int fd_;
  };

  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return fds_.size();
  }
  bool wait_empty(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    return empty_.wait_until(lock, until, [this] { return fds_.empty(); });
  }
  // Shuts every connection down: reads then return end of file and writes fail.
  void cut_all() {
    const std::lock_guard lock(mutex_);
    for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_set<int> fds_;
};

}  // namespace qarax::http
