// The newest events of the log, in memory, for readers that follow it. Every event shown here is committed.
// Thread-safe.
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

// A reader's position: all events up to and including `seq`, as numbered in `epoch`. Each activation of a server begins
// an epoch that no database has used before. After a database was lost or set back, sequence numbers repeat, and only
// the epoch tells the events apart.
struct EventPosition {
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
};

struct EventPage {
  // False: some events after the position are no longer kept where this page was read (in memory, or in the database).
  bool complete = true;
  std::vector<LoggedEventPtr> events;
};

class EventFeed {
 public:
  EventPosition last() const;
  // Number of the oldest event that the database still has; if it has none, the number that the next one will get.
  std::int64_t oldest() const;
  EventPage recent_after(std::int64_t seq, std::size_t most) const;

  // `wake` is called after each commit that had events, until the returned handle is destroyed. It must be quick: it
  // runs under the feed's lock.
  std::shared_ptr<void> on_commit(std::function<void()> wake);
  // While such a handle lives, observations are committed at once instead of with the next change.
  std::shared_ptr<void> join();
  bool has_readers() const { return readers_.load() > 0; }

  // -- for the log --
  void reset(EventPosition last, std::int64_t oldest);
  void append(std::vector<LoggedEventPtr> events);  // numbered without a gap after the last one
  void forget_before(std::int64_t seq);
  void begin_epoch(std::int64_t epoch);  // wakes readers: the events that they have seen may not exist in this database

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
