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

#include "refusals.hpp"
#include "store.hpp"

namespace qarax::server {

class JobWaiters {
 public:
  // What became of a job: its VM as it is then (null: the VM is gone), or why it didn't happen.
  struct Outcome {
    VmPtr vm;
    std::optional<Error> error;
  };
  class Waiter;
  using WaiterPtr = std::shared_ptr<Waiter>;

  // Before the job is sent, so that its end can't come too early.
  WaiterPtr add(const std::string& job_id, const std::string& vm_id);
  // Nothing: the time is up, and nobody waits for that job any more.
  std::optional<Outcome> wait(const std::string& job_id, const WaiterPtr& waiter, std::int64_t wait_ms);
  // Whoever waits, if anybody does.
  void finish(const std::string& job_id, Outcome outcome);
  void finish_all_of(const std::string& vm_id, const Outcome& outcome);
  void finish_all(const std::function<Outcome(const std::string& job_id)>& outcome_of);
  bool waits(const std::string& job_id) const;
  // Until nobody waits, or the time is up.
  void wait_until_none(std::chrono::steady_clock::time_point until);

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  std::map<std::string, WaiterPtr> waiters_;  // by job
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
