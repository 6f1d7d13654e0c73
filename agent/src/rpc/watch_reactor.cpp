#include "watch_reactor.hpp"

#include <utility>

#include "status.hpp"

namespace qarax::agent {

node::v1::Event event_of(const core::VmReport& report) {
  node::v1::Event event;
  event.set_report(encode(report));
  return event;
}

node::v1::Event event_of(const core::CommandProgress& progress) {
  node::v1::Event event;
  event.set_progress(encode(progress));
  return event;
}

void WatchReactor::begin() {
  // Reports that arrive while the snapshot is being queued are held back, so that they follow its end. mutex_ isn't
  // held across subscribe(), because the listener takes it while VmManager holds its own lock.
  const auto snapshot =
      vms_.subscribe([this](const core::VmReport& report) { enqueue(event_of(report)); }, subscription_);
  const std::lock_guard lock(mutex_);
  subscribed_ = true;
  std::deque<node::v1::Event> held;
  held.swap(backlog_);
  node::v1::Event begin;
  begin.mutable_begin()->set_session(session_);
  begin.mutable_begin()->set_vms(static_cast<std::int64_t>(snapshot.size()));
  backlog_.push_back(std::move(begin));
  for (const auto& report : snapshot) backlog_.push_back(event_of(report));
  node::v1::Event end;
  end.mutable_end();
  backlog_.push_back(std::move(end));
  for (auto& event : held) backlog_.push_back(std::move(event));
  write_next();
}

void WatchReactor::enqueue(node::v1::Event event) {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  // Progress, of which the backlog holds no more than kMaxBeforeProgress, doesn't cut the reader off.
  if (backlog_.size() >= kMaxBacklog + kMaxBeforeProgress) {
    ending_ = true;
    status_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                           "the event stream's reader is too slow; watch again for a snapshot");
    finish_if_idle();
    return;
  }
  backlog_.push_back(std::move(event));
  write_next();
}

void WatchReactor::enqueue_progress(const std::string& vm, const node::v1::Event& event) {
  const std::lock_guard lock(mutex_);
  if (ending_ || backlog_.size() >= kMaxBeforeProgress) return;
  if (!has_progress_) heard_of_.insert(vm);
  backlog_.push_back(event);
  write_next();
}

void WatchReactor::begin_progress(const std::vector<core::CommandProgress>& known) {
  const std::lock_guard lock(mutex_);
  has_progress_ = true;
  const std::set<std::string> newer = std::exchange(heard_of_, {});
  if (ending_) return;
  for (const core::CommandProgress& progress : known)
    if (!newer.contains(progress.vm)) backlog_.push_back(event_of(progress));
  write_next();
}

void WatchReactor::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  if (!ending_) status_ = status;
  ending_ = true;
  finish_if_idle();
}

void WatchReactor::write_next() {
  if (!subscribed_ || writing_ || ending_ || backlog_.empty()) return;
  writing_ = true;
  backlog_.front().set_seq(++seq_);
  StartWrite(&backlog_.front());
}

void WatchReactor::finish_if_idle() {
  if (writing_ || finished_) return;
  finished_ = true;
  Finish(status_);
}

void WatchReactor::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  backlog_.pop_front();
  if (!ok) ending_ = true;
  if (ending_)
    finish_if_idle();
  else
    write_next();
}

void WatchReactor::OnCancel() { end(grpc::Status::CANCELLED); }

void WatchReactor::OnDone() {
  if (subscribed_) vms_.unsubscribe(subscription_);
  live_.remove_watch(*this);
  delete this;
}

}  // namespace qarax::agent
