// The newest events of the log, in memory, for those who follow it. What is shown here is committed. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "event.hpp"

namespace qarax::server {

struct LoggedEvent {
  std::int64_t seq = 0;
  Event event;
  std::string document;  // the event as JSON
};
using LoggedEventPtr = std::shared_ptr<const LoggedEvent>;

// Everything up to `seq`, as it was counted in that epoch. Each server's start, and each adopt, begins one that no
// database has had: where one was lost or set back numbers come again, and the epoch tells.
struct EventPosition {
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
};

struct EventPage {
  // False: something between the position and the first of these isn't kept here any more.
  bool complete = true;
  std::vector<LoggedEventPtr> events;
};

class EventFeed {
 public:
  EventPosition last() const;
  // The first one that the database still has; the next one's number where it has none.
  std::int64_t oldest() const;
  EventPage recent_after(std::int64_t seq, std::size_t most) const;

  // `wake` is called after each commit that had events, until the handle is gone; it must be quick.
  std::shared_ptr<void> on_commit(std::function<void()> wake);
  // While such a handle lives, observations are committed at once instead of along with the next change.
  std::shared_ptr<void> join();
  bool has_readers() const { return readers_.load() > 0; }

  // -- for the log --
  void reset(EventPosition last, std::int64_t oldest);
  void append(std::vector<LoggedEventPtr> events);  // without a hole after the last one
  void forget_before(std::int64_t seq);
  void begin_epoch(std::int64_t epoch);  // readers are told that what they have seen may not have been

 private:
  mutable std::mutex mutex_;
  EventPosition last_;
  std::int64_t oldest_ = 1;
  std::deque<LoggedEventPtr> recent_;
  std::map<int, std::function<void()>> wakes_;
  int next_wake_ = 0;
  std::atomic<int> readers_{0};
};

}  // namespace qarax::server
