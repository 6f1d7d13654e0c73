#include "job_waiters.hpp"

#include <vector>

namespace qarax::server {

JobWaiters::WaiterPtr JobWaiters::add(const std::string& job_id, const std::string& vm_id) {
  auto waiter = std::make_shared<Waiter>();
  waiter->vm_id_ = vm_id;
  const std::lock_guard lock(mutex_);
  waiters_[job_id] = waiter;
  return waiter;
}

std::optional<JobWaiters::Outcome> JobWaiters::wait(const std::string& job_id, const WaiterPtr& waiter,
                                                    std::int64_t wait_ms) {
  {
    std::unique_lock lock(waiter->mutex_);
    if (waiter->changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                                  [&] { return waiter->outcome_.has_value(); }))
      return waiter->outcome_;
  }
  {
    const std::lock_guard lock(mutex_);
    waiters_.erase(job_id);
  }
  none_.notify_all();
  // The outcome may have come between the timeout and the removal.
  const std::lock_guard lock(waiter->mutex_);
  return waiter->outcome_;
}

void JobWaiters::finish(const std::string& job_id, Outcome outcome) {
  WaiterPtr waiter;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiters_.find(job_id);
    if (found == waiters_.end()) return;
    waiter = std::move(found->second);
    waiters_.erase(found);
  }
  none_.notify_all();
  {
    const std::lock_guard lock(waiter->mutex_);
    waiter->outcome_ = std::move(outcome);
  }
  waiter->changed_.notify_all();
}

void JobWaiters::finish_all_of(const std::string& vm_id, const Outcome& outcome) {
  std::vector<std::string> jobs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [job, waiter] : waiters_)
      if (waiter->vm_id_ == vm_id) jobs.push_back(job);
  }
  for (const std::string& job : jobs) finish(job, outcome);
}

void JobWaiters::finish_all(const std::function<Outcome(const std::string& job_id)>& outcome_of) {
  std::vector<std::string> jobs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [job, waiter] : waiters_) jobs.push_back(job);
  }
  for (const std::string& job : jobs) finish(job, outcome_of(job));
}

bool JobWaiters::waits(const std::string& job_id) const {
  const std::lock_guard lock(mutex_);
  return waiters_.contains(job_id);
}

void JobWaiters::wait_until_none(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  none_.wait_until(lock, until, [&] { return waiters_.empty(); });
}

}  // namespace qarax::server
