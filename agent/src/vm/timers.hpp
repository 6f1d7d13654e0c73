// Runs work at given times, on one thread that sleeps until the next is due. The work must only enqueue or be quick.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace qarax::agent {

class Timers {
 public:
  Timers() : thread_([this] { run(); }) {}
  ~Timers() { stop(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  using Handle = std::pair<std::int64_t, std::uint64_t>;

  Handle at(std::int64_t monotonic_ns, std::function<void()> work);  // any thread; after stop() the work is dropped
  // Drops the work and all that it holds. No effect if the work is done or being done.
  void forget(const Handle& handle);
  void in_ms(std::int64_t ms, std::function<void()> work);
  void stop();  // work that isn't due yet is dropped

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Handle, std::function<void()>> due_;
  std::uint64_t made_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace qarax::agent
