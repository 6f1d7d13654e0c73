// What nobody requested and is done regularly. At each tick: heartbeats, jobs without a result, tombstones, and what
// nodes keep. Beside that, on the pool: restarts by policy, and the removal of old data.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "dispatcher.hpp"
#include "fleet.hpp"
#include "keeper.hpp"
#include "qarax/core/worker_pool.hpp"
#include "restarter.hpp"
#include "store.hpp"
#include "undertaker.hpp"

namespace qarax::server {

// Has one thread of its own, for what must not wait for the database: above all the heartbeats. The rest runs on the
// pool, one run at a time. The lock is not held while anything is done.
class Chores {
 public:
  // Borrows all. Nothing else may use `restarter`. The pool must have been stopped when this object ends, because a run
  // of the chores may still be queued there after stop().
  Chores(Store& store, Fleet& nodes, Dispatcher& dispatcher, Undertaker& undertaker, Restarter& restarter,
         core::WorkerPool& pool, const Retention& retention);
  ~Chores() { stop(); }

  void start();  // once; throws std::system_error if there is no thread for it
  void stop();   // waits for the tick that is under way; a second call has no effect

 private:
  void ticks();
  void tick();
  void post_slow_work();
  void tidy();

  Store& store_;
  Fleet& nodes_;
  Dispatcher& dispatcher_;
  Undertaker& undertaker_;
  Restarter& restarter_;  // used on the pool only
  core::WorkerPool& pool_;
  const Retention retention_;

  Keeper keeper_;  // used by tick() only
  std::atomic<bool> slow_work_runs_{false};
  std::atomic<bool> to_tidy_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // the last one: it uses all others
};

}  // namespace qarax::server
