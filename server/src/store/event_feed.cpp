#include "event_feed.hpp"

#include <algorithm>

namespace qarax::server {

namespace {
constexpr std::size_t kInMemory = 4096;
}

EventPosition EventFeed::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::int64_t EventFeed::oldest() const {
  const std::lock_guard lock(mutex_);
  return oldest_;
}

EventPage EventFeed::recent_after(std::int64_t seq, std::size_t most) const {
  EventPage page;
  const std::lock_guard lock(mutex_);
  if (seq >= last_.seq) return page;
  if (recent_.empty() || recent_.front()->seq > seq + 1) {
    page.complete = false;
    return page;
  }
  const auto begin = recent_.begin() + (seq + 1 - recent_.front()->seq);
  const auto left = static_cast<std::size_t>(recent_.end() - begin);
  page.events.assign(begin, begin + static_cast<std::ptrdiff_t>(std::min(left, most)));
  return page;
}

core::Scope EventFeed::on_commit(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  const int id = next_wake_++;
  wakes_.emplace(id, std::move(wake));
  return core::Scope([this, id] {
    const std::lock_guard own(mutex_);
    wakes_.erase(id);
  });
}

core::Scope EventFeed::join() {
  ++readers_;
  return core::Scope([this] { --readers_; });
}

void EventFeed::reset(EventPosition last, std::int64_t oldest) {
  const std::lock_guard lock(mutex_);
  last_ = last;
  oldest_ = oldest;
}

void EventFeed::append(std::vector<LoggedEventPtr> events) {
  const std::lock_guard lock(mutex_);
  last_.seq = events.back()->seq;
  for (auto& one : events) recent_.push_back(std::move(one));
  while (recent_.size() > kInMemory) recent_.pop_front();
  for (const auto& [id, wake] : wakes_) wake();
}

void EventFeed::begin_epoch(std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  last_.epoch = epoch;
  for (const auto& [id, wake] : wakes_) wake();
}

void EventFeed::forget_before(std::int64_t seq) {
  const std::lock_guard lock(mutex_);
  oldest_ = std::max(oldest_, seq);
}

}  // namespace qarax::server
