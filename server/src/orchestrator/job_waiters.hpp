// Callers that wait for the end of a job. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "records.hpp"
#include "refusals.hpp"

namespace qarax::server {

class JobWaiters {
 public:
  // The end of a job: its VM as it is then (null: the VM is gone), or the error.
  struct Outcome {
    VmPtr vm;
    std::optional<Error> error;
  };
  class Waiter;
  using WaiterPtr = std::shared_ptr<Waiter>;

  // Call this before the job is sent, or its end might come first.
  WaiterPtr add(const std::string& job_id, const std::string& vm_id);
  // nullopt: the time is up, and the waiter is removed.
  std::optional<Outcome> wait(const std::string& job_id, const WaiterPtr& waiter, std::int64_t wait_ms);
  // Gives the outcome to the caller that waits for the job, if there is one.
  void finish(const std::string& job_id, Outcome outcome);
  void finish_all_of(const std::string& vm_id, const Outcome& outcome);
  void finish_all(const std::function<Outcome(const std::string& job_id)>& outcome_of);
  bool waits(const std::string& job_id) const;
  // Blocks until nobody waits any more, or until the given time.
  void wait_until_none(std::chrono::steady_clock::time_point until);

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  std::map<std::string, WaiterPtr> waiters_;  // by job id
};

class JobWaiters::Waiter {
 private:
  friend class JobWaiters;
  std::string vm_id_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Outcome> outcome_;
};

}  // namespace qarax::server
