// Jobs in memory: the unfinished ones and the last that came to their end, and those who wait for one. Thread-safe.
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
  void put(Job job);  // new, or in place of what was known of it; one that ends is told in the log
  JobPtr find(const std::string& id) const;
  // A change of one job under the lock; null where it isn't here.
  template <class Change>
  JobPtr update(const std::string& id, Change change) {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return nullptr;
    Job copy = *found->second;
    change(copy);
    return keep(std::move(copy));
  }
  // Until it has come to its end, the time is up or stop_waiting(): as it is then.
  JobPtr wait(const std::string& id, std::chrono::milliseconds time) const;
  // From now on nobody waits: the server ends.
  void stop_waiting();

  // How many came to which end since this server began, by action.
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
  // Those who put a job hold the store's lock: they don't wait for whoever reads the log.
  core::WorkerPool told_{"job-log", 0, 1};
};

}  // namespace qarax::server
