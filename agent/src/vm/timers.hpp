// Work at a time: one thread that sleeps until the next is due. What is due must only enqueue or be quick.
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

  Handle at(std::int64_t monotonic_ns, std::function<void()> work);  // any thread; forgotten after stop
  // What needn't be done any more, with all that it holds; nothing where it was done, or is being done.
  void forget(const Handle& handle);
  void in_ms(std::int64_t ms, std::function<void()> work);
  void stop();  // what isn't due yet is forgotten

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
