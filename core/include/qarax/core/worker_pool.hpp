// Threads for blocking calls. The pool grows while every thread is busy, so that a hung call never delays another VM's
// work; idle threads above `base` end again. Work goes to the thread that became idle last, so that under a light load
// the others stay idle long enough to end; round robin would keep all of them alive.
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
  // `name`: the threads' name, see name_this_thread(). `most`: the largest number of threads. `idle_for`: how long a
  // thread above `base` stays idle before it ends. Unless `base` is 0, the constructor starts a thread, so that post()
  // never lacks one. Throws std::system_error if that thread can't be created.
  WorkerPool(std::string name, std::size_t base, std::size_t most,
             std::chrono::milliseconds idle_for = std::chrono::seconds(30));
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread; ignored after stop. If no further thread can be created, the existing ones do the work. If there is
  // none at all, which is possible only with `base` 0, std::system_error is thrown and the work never runs.
  void post(std::function<void()> work);
  void stop();                  // runs what is queued, then joins
  std::size_t threads() const;  // how many there are now; any thread

 private:
  struct Idler {
    std::condition_variable ready;
    bool called = false;
  };
  void add_thread();  // call with mutex_ held; throws std::system_error
  void run(std::list<std::thread>::iterator self);
  bool wait_for_work(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Idler>& self);

  const std::string name_;
  const std::size_t base_;
  const std::size_t most_;
  const std::chrono::milliseconds idle_for_;
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::shared_ptr<Idler>> idle_;  // a stack: the thread that became idle last is at the end
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // joined by the next post() or by stop()
  bool stopping_ = false;
};

}  // namespace qarax::core
