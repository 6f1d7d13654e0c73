// Jobs in memory: all unfinished ones and the most recently finished ones. Callers can wait here for a job's end.
// Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "job.hpp"
#include "qarax/core/worker_pool.hpp"

namespace qarax::server {

class JobBook {
 public:
  void put(Job job);  // inserts or replaces; a job that ends is also written to the server's log
  JobPtr find(const std::string& id) const;
  // Changes one job under the lock; null: the job isn't here.
  template <class Change>
  JobPtr update(const std::string& id, Change change) {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return nullptr;
    Job copy = *found->second;
    change(copy);
    return keep(std::move(copy));
  }
  // Blocks until the job has ended, the time is up or stop_waiting() is called. Returns the job as it is then; null: it
  // isn't in memory.
  JobPtr wait(const std::string& id, std::chrono::milliseconds time) const;
  // Called when the server ends: every wait() returns at once from now on.
  void stop_waiting();

  // How many jobs ended since this server began, by action and final state.
  using Ends = std::map<std::pair<std::string, JobState>, std::uint64_t>;
  Ends ends() const;

 private:
  JobPtr keep(Job job);  // with mutex_ held

  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  std::unordered_map<std::string, JobPtr> jobs_;
  std::deque<std::string> finished_;  // the oldest first
  Ends ends_;
  bool closed_ = false;
  // Writes the log lines. Callers of put() hold the store's lock, so they must not block on the log's output.
  core::WorkerPool told_{"job-log", 0, 1};
};

}  // namespace qarax::server
