#include "http/worker_pool.hpp"

#include <Poco/Exception.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace qarax::http {
namespace {

constexpr int kMinThreads = 2;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackFactor = 8;  // instrumented frames are that much larger
#else
constexpr std::size_t kStackFactor = 1;
#endif

}  // namespace

WorkerPool::WorkerPool(Limits limits, std::function<void(Job)> work, std::atomic<int>* queued)
    : limits_(std::move(limits)), work_(std::move(work)), queued_(queued) {}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::note_queue() const {
  if (queued_ != nullptr) queued_->store(static_cast<int>(queue_.size()), std::memory_order_relaxed);
}

void WorkerPool::join(const Workers& workers) {
  for (const auto& worker : workers) worker->thread.join();
}

bool WorkerPool::add_worker() {
  if (stopping_ || static_cast<int>(workers_.size()) >= limits_.max) return false;
  const auto self = workers_.insert(workers_.end(), std::make_unique<Worker>());
  try {
    (*self)->thread.setName(limits_.name);
    (*self)->thread.setStackSize(static_cast<int>(limits_.stack * kStackFactor));
    (*self)->thread.startFunc([this, self] { work_loop(self); });
  } catch (const Poco::Exception&) {
    workers_.erase(self);  // no more threads to be had: the queue waits for those there are
    return false;
  }
  return true;
}

void WorkerPool::push(Job job) {
  Workers finished;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(job));
    note_queue();
    if (idle_ < static_cast<int>(queue_.size()) && static_cast<int>(workers_.size()) < limits_.eager) add_worker();
    finished.swap(finished_);
  }
  wake_.notify_one();
  join(finished);
}

bool WorkerPool::try_push(Job& job) {
  Workers finished;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (idle_ <= static_cast<int>(queue_.size()) && !add_worker()) return false;
    queue_.push_back(std::move(job));
    note_queue();
    finished.swap(finished_);
  }
  wake_.notify_one();
  join(finished);
  return true;
}

bool WorkerPool::is_waiting() const {
  const std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void WorkerPool::grow_if_stalled() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(taken_, false) && idle_ < static_cast<int>(queue_.size())) {
    // In steps: what looks like slow handlers may be a busy machine, where more threads only cost.
    std::size_t wanted = std::min(queue_.size(), std::max<std::size_t>(8, workers_.size() / 2));
    while (wanted > 0 && add_worker()) --wanted;
  }
}

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
  // Signals are the main thread's; SIGPIPE from inside the TLS library must not end the process.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    const bool woken = wake_.wait_for(lock, limits_.idle, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (stopping_ || (!woken && static_cast<int>(workers_.size()) > kMinThreads)) break;
    if (!woken) continue;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    note_queue();
    taken_ = true;
    lock.unlock();
    work_(std::move(job));
    lock.lock();
  }
  finished_.splice(finished_.end(), workers_, self);
  ended_.notify_all();
}

}  // namespace qarax::http
