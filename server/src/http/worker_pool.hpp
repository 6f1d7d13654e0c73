// Threads that take connections from a queue. Few run at once, because each more costs task switches; a handler that
// says it may wait doesn't count, and where all others turn out to wait too, the pool grows. The queue is bounded by
// the number of connections that the server admits.
#pragma once

#include <Poco/Thread.h>

#include <atomic>
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

class WorkerPool : public BlockingGate {
 public:
  using Job = std::unique_ptr<Connection>;
  struct Limits {
    std::string name;
    int running = 1;  // threads at work that are not known to wait for something
    int max = 1;      // threads in all
    std::size_t stack = std::size_t{256} * 1024;
    std::chrono::milliseconds idle{10'000};
  };

  // `work` runs on the pool's threads; what escapes it is logged, and the connection closed. The two counters are the
  // connections': `queued` is kept here, `lingering` says how many of the threads at work only wait for their client's
  // next request.
  WorkerPool(Limits limits, std::function<void(Job)> work, std::atomic<int>& queued, const std::atomic<int>& lingering);
  // Waits for the work in progress.
  ~WorkerPool() override;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread.
  void push(Job job);
  // Takes the job only if a thread is free for it or can be made now.
  bool try_push(Job& job);
  // To be called every few milliseconds while is_waiting(): where nothing has been taken from the queue since the last
  // call, what runs is waiting without having said so, and more may run.
  void grow_if_stalled();
  bool is_waiting() const { return queued_.load() > 0; }
  // No more work; drops what is queued, waits for what runs.
  void stop();

  void begin_blocking() override;
  void end_blocking() override;
  bool relieve() override;

 private:
  struct Worker {
    Poco::Thread thread;
  };
  using Workers = std::list<std::unique_ptr<Worker>>;

  // All under the lock.
  int running() const { return active_ - lingering_.load(); }
  bool rouse();  // one more thread for the queue; false: none may be or can be had
  bool add_worker();
  void note_queue() { queued_.store(static_cast<int>(queue_.size())); }
  void settle_growth();

  void work_loop(Workers::iterator self);
  static void join(const Workers& workers);

  const Limits limits_;
  const std::function<void(Job)> work_;
  std::atomic<int>& queued_;
  const std::atomic<int>& lingering_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<Job> queue_;
  Workers workers_;
  Workers finished_;  // to be joined
  int idle_ = 0;
  int starting_ = 0;
  int active_ = 0;      // with a job and not in begin_blocking … end_blocking
  int extra_ = 0;       // what may run beyond limits_.running
  bool taken_ = false;  // since the last look at a stall
  bool stopping_ = false;
};

}  // namespace qarax::http
