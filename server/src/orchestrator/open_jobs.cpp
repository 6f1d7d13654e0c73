#include "open_jobs.hpp"

#include <utility>

namespace qarax::server {

using Clock = std::chrono::steady_clock;

OpenJobs::OpenJobs(Options options, Attempt attempt) : options_(options), attempt_(std::move(attempt)) {}

OpenJobs::~OpenJobs() {
  static_cast<void>(stop());
  for (auto& [host, lane] : lanes_)
    if (lane.thread.joinable()) lane.thread.join();
}

void OpenJobs::start() {
  const std::lock_guard lock(mutex_);
  started_ = true;
  for (auto& [host, lane] : lanes_) work(lane);
}

bool OpenJobs::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  stopped_.notify_all();
  return attempts_ == 0;
}

void OpenJobs::add(JobPtr job, std::string why) {
  const std::lock_guard lock(mutex_);
  Lane& lane = lanes_[job->host_id];
  lane.open.push_back({std::move(job), std::move(why), std::nullopt});
  work(lane);
}

void OpenJobs::work(Lane& lane) {
  if (!started_ || stopping_ || lane.works || lane.open.empty()) return;
  // The one before has let go of the lock for good.
  if (lane.thread.joinable()) lane.thread.join();
  lane.works = true;
  lane.thread = std::thread([this, &lane] { run(lane); });
}

void OpenJobs::run(Lane& lane) {
  std::unique_lock lock(mutex_);
  while (!stopping_ && !lane.open.empty()) {
    std::vector<Open> now = std::exchange(lane.open, {});
    for (Open& open : now)
      if (!open.until) open.until = Clock::now() + std::chrono::milliseconds(options_.try_for_ms);
    ++attempts_;
    lock.unlock();
    std::erase_if(now, [&](const Open& open) { return attempt_(*open.job, open.why, Clock::now() >= *open.until); });
    lock.lock();
    --attempts_;
    lane.open.insert(lane.open.begin(), now.begin(), now.end());
    if (!now.empty())
      stopped_.wait_for(lock, std::chrono::milliseconds(options_.try_every_ms), [&] { return stopping_; });
  }
  lane.works = false;
}

}  // namespace qarax::server
