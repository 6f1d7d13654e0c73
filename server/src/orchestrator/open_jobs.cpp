#include "open_jobs.hpp"

#include <system_error>
#include <utility>

#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"

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
  // The lane's previous thread has released the lock for the last time: joining it here can't deadlock.
  if (lane.thread.joinable()) lane.thread.join();
  try {
    lane.thread = std::thread([this, &lane] { run(lane); });
    lane.works = true;  // set before that thread can get the lock
  } catch (const std::system_error& e) {
    // The jobs stay in the lane until the next add(), or until the next server takes them up.
    core::logger("jobs")->error("no thread for a host's jobs reason={}", core::log_value(e.what()));
  }
}

void OpenJobs::run(Lane& lane) {
  core::name_this_thread("open-jobs");
  std::unique_lock lock(mutex_);
  while (!stopping_ && !lane.open.empty()) {
    std::vector<Open> now = std::exchange(lane.open, {});
    ++attempts_;
    lock.unlock();
    std::vector<Open> left;
    for (Open& open : now) {
      if (!open.until) open.until = Clock::now() + std::chrono::milliseconds(options_.try_for_ms);
      bool ended = false;  // also where the attempt threw: then the job stays and is tried again
      core::guarded("open-jobs", [&] { ended = attempt_(*open.job, open.why, Clock::now() >= *open.until); });
      if (!ended) left.push_back(std::move(open));
    }
    lock.lock();
    --attempts_;
    lane.open.insert(lane.open.begin(), left.begin(), left.end());
    if (!left.empty())
      stopped_.wait_for(lock, std::chrono::milliseconds(options_.try_every_ms), [&] { return stopping_; });
  }
  lane.works = false;
}

}  // namespace qarax::server
