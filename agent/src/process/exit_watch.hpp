// Waits on one thread for processes to end: pidfds in an epoll set, no polling.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pidfd.hpp"

namespace qarax::agent {

class ExitWatch {
 public:
  ExitWatch();
  ~ExitWatch();  // joins; pending callbacks are dropped
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;

  // `on_exit` is called once, on the watch's thread, when the process has ended (a child is reaped first). If the
  // process is gone already the call comes at once. If no descriptor is free to watch it, the watch tries again every
  // second. `on_exit` must be quick. If it throws, it is called again a second later. A process that is watched already
  // keeps its first `on_exit`.
  void watch(const ProcessId& id, std::function<void()> on_exit);

 private:
  struct Entry {
    ProcessId id;
    core::Fd pidfd;  // empty: the next round tries to open it
    std::function<void()> on_exit;
  };
  enum class Watched { yes, gone, later };
  Watched try_to_watch(std::uint64_t key, Entry& entry) const;
  bool take_ended(std::vector<Entry>& ended);
  void run();

  core::Fd epoll_;
  core::Fd wake_;
  std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t next_ = 1;  // 0 is the key of wake_
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace qarax::agent
