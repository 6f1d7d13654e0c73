// Threads that take connections from a queue: few at first, more only when connections wait, fewer again when idle. The
// queue is bounded by the number of connections that the server admits.
#pragma once

#include <Poco/Thread.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "http/connection.hpp"

namespace qarax::http {

class WorkerPool {
 public:
  using Job = std::unique_ptr<Connection>;
  struct Limits {
    std::string name;
    int eager = 1;  // up to so many threads a push makes one at once if none is free
    int max = 1;
    std::size_t stack = std::size_t{256} * 1024;
    std::chrono::milliseconds idle{10'000};
  };

  // `work` runs on the pool's threads and must not throw. `queued` follows the length of the queue; it may be null.
  WorkerPool(Limits limits, std::function<void(Job)> work, std::atomic<int>* queued);
  // Waits for the work in progress.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread.
  void push(Job job);
  // Takes the job only if a thread is free for it or can be made now.
  bool try_push(Job& job);
  // To be called every few milliseconds while is_waiting(): where nothing has been taken from the queue since the last
  // call, all threads are in slow handlers, and the pool grows by what waits.
  void grow_if_stalled();
  bool is_waiting() const;
  // No more work; drops what is queued, waits for what runs.
  void stop();

 private:
  struct Worker {
    Poco::Thread thread;
  };
  using Workers = std::list<std::unique_ptr<Worker>>;

  bool add_worker();  // under the lock
  void work_loop(Workers::iterator self);
  void note_queue() const;  // under the lock
  static void join(const Workers& workers);

  const Limits limits_;
  const std::function<void(Job)> work_;
  std::atomic<int>* const queued_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<Job> queue_;
  Workers workers_;
  Workers finished_;  // to be joined
  int idle_ = 0;
  bool taken_ = false;  // since the last look at a stall
  bool stopping_ = false;
};

}  // namespace qarax::http
