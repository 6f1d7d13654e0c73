#include "http/worker_pool.hpp"

#include <Poco/Exception.h>

#include <algorithm>
#include <utility>

#include "http/thread_begin.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::http {
namespace {

constexpr int kMinThreads = 2;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackFactor = 8;  // sanitizers make stack frames larger
#else
constexpr std::size_t kStackFactor = 1;
#endif

}  // namespace

WorkerPool::WorkerPool(Limits limits, std::function<void(Job)> work, std::atomic<int>& queued,
                       const std::atomic<int>& lingering)
    : limits_(std::move(limits)), work_(std::move(work)), queued_(queued), lingering_(lingering) {}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::join(const Workers& workers) {
  for (const auto& worker : workers) worker->thread.join();
}

bool WorkerPool::add_worker() {
  if (stopping_ || static_cast<int>(workers_.size()) >= limits_.max) return false;
  const auto self = workers_.insert(workers_.end(), std::make_unique<Worker>());
  try {
    (*self)->thread.setStackSize(static_cast<int>(limits_.stack * kStackFactor));
    (*self)->thread.startFunc([this, self] { work_loop(self); });
  } catch (const Poco::Exception&) {
    workers_.erase(self);  // no more threads available: the queue waits for the existing ones
    return false;
  }
  ++starting_;
  return true;
}

bool WorkerPool::rouse() {
  const int waiting = static_cast<int>(queue_.size());
  // How many threads could take a job now. Those that were roused before and don't run yet come for some of these jobs.
  const int wanted = std::min(waiting, limits_.running + extra_ - running());
  if (wanted <= starting_) return wanted > 0 && wanted == waiting;
  const bool too_few = wanted > starting_ + idle_;  // a thread is idle until it runs again, although it was roused
  if (idle_ > 0) wake_.notify_one();
  return !too_few || add_worker();
}

bool WorkerPool::relieve() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() || rouse();
}

void WorkerPool::push(Job job) {
  Workers finished;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(job));
    note_queue();  // before rouse() reads lingering_; Connection::begin_linger does it in the opposite order
    rouse();
    finished.swap(finished_);
  }
  join(finished);
}

bool WorkerPool::try_push(Job& job) {
  Workers finished;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (idle_ + starting_ <= static_cast<int>(queue_.size()) && !add_worker()) return false;
    queue_.push_back(std::move(job));
    note_queue();
    finished.swap(finished_);
  }
  wake_.notify_one();
  join(finished);
  return true;
}

void WorkerPool::begin_blocking() {
  const std::lock_guard lock(mutex_);
  --active_;
  rouse();
}

void WorkerPool::end_blocking() {
  const std::lock_guard lock(mutex_);
  ++active_;
}

void WorkerPool::grow_if_stalled() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(taken_, false) || queue_.empty()) return;
  // Grow in steps: what looks like waiting handlers may be a busy machine, on which more threads only cost.
  const int step = std::max(8, static_cast<int>(workers_.size()) / 2);
  extra_ = std::max(extra_, running() + step - limits_.running);
  for (int i = std::min(step, static_cast<int>(queue_.size())); i > 0; --i) rouse();
}

// Called when the queue is empty: drops the allowance beyond the limit, unless at least limits_.running threads are
// still running. They count as stuck then, and as many as limits_.running more may run beside them.
void WorkerPool::settle_growth() { extra_ = running() < limits_.running ? 0 : running(); }

void WorkerPool::stop() {
  Workers all;
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
    note_queue();
  }
  dropped.clear();
  wake_.notify_all();
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return workers_.empty(); });
    all.splice(all.end(), finished_);
  }
  join(all);
}

void WorkerPool::work_loop(Workers::iterator self) {
  begin_thread(limits_.name.c_str());
  std::unique_lock lock(mutex_);
  --starting_;
  while (true) {
    const auto may_take = [this] { return !queue_.empty() && running() < limits_.running + extra_; };
    if (!stopping_ && !may_take()) {
      if (queue_.empty() && extra_ > 0) settle_growth();
      ++idle_;
      const bool woken = wake_.wait_for(lock, limits_.idle, [&] { return stopping_ || may_take(); });
      --idle_;
      if (!woken && static_cast<int>(workers_.size()) > kMinThreads) break;
      if (!woken) continue;
    }
    if (stopping_) break;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    note_queue();
    taken_ = true;
    ++active_;
    lock.unlock();
    core::guarded(limits_.name, [&] { work_(std::move(job)); });
    lock.lock();
    --active_;
  }
  finished_.splice(finished_.end(), workers_, self);
  ended_.notify_all();
}

}  // namespace qarax::http
