// Threads for blocking calls. It grows while every thread is busy, so that a hung call never takes another VM's turn;
// idle threads above the base go away again.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace qarax::core {

class WorkerPool {
 public:
  WorkerPool(std::size_t base, std::size_t most) : base_(base), most_(most) {}
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void post(std::function<void()> work);  // any thread; ignored after stop
  void stop();                            // runs what is queued, then joins

 private:
  void run(std::list<std::thread>::iterator self);

  const std::size_t base_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // to be joined by the next caller
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace qarax::core
