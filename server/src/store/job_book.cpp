#include "job_book.hpp"

#include <system_error>

#include "qarax/core/enum_name.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {
constexpr std::size_t kFinishedInMemory = 1024;

// Logs how the job ended, with its request's id, whatever ended it: its node's answer, a report, another job.
void tell_end(const Job& job) {
  const auto log = core::logger("jobs");
  const auto state = core::enum_name(job.state);
  if (job.state == JobState::failed)
    log->error("{} {} vm={} job={} host={} request={} reason={}", job.action, state, job.vm_id, job.id, job.host_id,
               job.request_id, core::log_value(job.error ? job.error->message : ""));
  else
    log->info("{} {} vm={} job={} host={} request={}", job.action, state, job.vm_id, job.id, job.host_id,
              job.request_id);
}
}  // namespace

JobPtr JobBook::keep(Job job) {
  const bool ends = job.state != JobState::running;
  if (ends) job.progress.reset();
  JobPtr& place = jobs_[job.id];
  const bool new_end = ends && (!place || place->state == JobState::running);
  place = std::make_shared<const Job>(std::move(job));
  JobPtr kept = place;
  if (new_end) {
    ++ends_[{kept->action, kept->state}];
    finished_.push_back(kept->id);
    if (finished_.size() > kFinishedInMemory) {
      jobs_.erase(finished_.front());
      finished_.pop_front();
    }
    ended_.notify_all();
  }
  return kept;
}

void JobBook::put(Job job) {
  bool went_on = false;
  JobPtr kept;
  {
    const std::lock_guard lock(mutex_);
    const auto before = jobs_.find(job.id);
    went_on = before != jobs_.end() && before->second->state == JobState::running;
    kept = keep(std::move(job));
  }
  // A job that completed at once is logged by the code that requested it.
  if (!went_on || kept->state == JobState::running) return;
  try {
    told_.post([kept] { tell_end(*kept); });
  } catch (const std::system_error&) {
    // No thread could be started: logging here is slow, but failing would leave a commit half published.
    tell_end(*kept);
  }
}

JobPtr JobBook::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second;
}

JobPtr JobBook::wait(const std::string& id, std::chrono::milliseconds time) const {
  const auto until = std::chrono::steady_clock::now() + time;
  std::unique_lock lock(mutex_);
  JobPtr last;
  const auto is_over = [&] {
    const auto found = jobs_.find(id);
    // Evicted from memory while waiting: more than kFinishedInMemory jobs have ended since, so this one has too.
    if (found == jobs_.end()) return true;
    last = found->second;
    return last->state != JobState::running || closed_;
  };
  ended_.wait_until(lock, until, is_over);
  return last;
}

JobBook::Ends JobBook::ends() const {
  const std::lock_guard lock(mutex_);
  return ends_;
}

void JobBook::stop_waiting() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  ended_.notify_all();
}

}  // namespace qarax::server
