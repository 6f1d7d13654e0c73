// Threads for blocking calls. It grows while every thread is busy, so that a hung call never takes another VM's turn;
// idle threads above the base go away again. Work goes to the thread that was busy last, so that the rest stay idle
// under a light load: taken in turn, none of them would ever be idle for long enough to go.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace qarax::core {

class WorkerPool {
 public:
  // `name` is what its threads are called, see name_this_thread().
  // With a base there is a thread from here on, so that post() can always rely on one; std::system_error: it couldn't
  // be made.
  WorkerPool(std::string name, std::size_t base, std::size_t most,
             std::chrono::milliseconds idle_for = std::chrono::seconds(30));
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread; ignored after stop. Where no further thread can be made, those that are there get to the work. Only
  // without a base there may be none: then std::system_error, and the work won't run.
  void post(std::function<void()> work);
  void stop();                  // runs what is queued, then joins
  std::size_t threads() const;  // any thread; those that are there now

 private:
  struct Idler {
    std::condition_variable ready;
    bool called = false;
  };
  void add_thread();  // with mutex_ held; std::system_error
  void run(std::list<std::thread>::iterator self);
  bool wait_for_work(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Idler>& self);

  const std::string name_;
  const std::size_t base_;
  const std::size_t most_;
  const std::chrono::milliseconds idle_for_;
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::shared_ptr<Idler>> idle_;  // the last is the one that was busy last
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // to be joined by the next caller
  bool stopping_ = false;
};

}  // namespace qarax::core
