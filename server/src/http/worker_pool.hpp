// Threads that take connections from a queue. Few run at once, because more would only cost task switches. A handler
// that announces that it may wait doesn't count, and if the others turn out to wait too, the pool grows. The queue is
// bounded by the number of connections that the server admits.
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
    int running = 1;  // threads with a job that aren't known to wait for something
    int max = 1;      // threads in all
    std::size_t stack = std::size_t{256} * 1024;
    std::chrono::milliseconds idle{10'000};
  };

  // `work` runs on the pool's threads; if it throws, that is logged and the connection is closed. Both counters are
  // shared with the connections: the pool sets `queued`; `lingering` is the number of busy threads that only wait for
  // their client's next request.
  WorkerPool(Limits limits, std::function<void(Job)> work, std::atomic<int>& queued, const std::atomic<int>& lingering);
  // Waits for the work in progress.
  ~WorkerPool() override;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread.
  void push(Job job);
  // Takes the job only if a thread is free for it or can be created now.
  bool try_push(Job& job);
  // To be called every few milliseconds while is_waiting(). If nothing was taken from the queue since the last call,
  // the running handlers wait without having announced it, so more threads are allowed to run.
  void grow_if_stalled();
  bool is_waiting() const { return queued_.load() > 0; }
  // Accepts no more work, drops queued jobs and waits for the running ones.
  void stop();

  void begin_blocking() override;
  void end_blocking() override;
  bool relieve() override;

 private:
  struct Worker {
    Poco::Thread thread;
  };
  using Workers = std::list<std::unique_ptr<Worker>>;

  // The caller of these holds mutex_.
  int running() const { return active_ - lingering_.load(); }
  bool rouse();  // one more thread if the queue needs it; false if none is allowed or available
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
  Workers finished_;  // ended threads, to be joined
  int idle_ = 0;
  int starting_ = 0;
  int active_ = 0;      // threads with a job and not in begin_blocking … end_blocking
  int extra_ = 0;       // threads allowed to run beyond limits_.running
  bool taken_ = false;  // a job was taken since the last grow_if_stalled()
  bool stopping_ = false;
};

}  // namespace qarax::http
