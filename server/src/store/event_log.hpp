// The durable log of events. Changes add the events that they cause, which are written in the same transaction and
// shown to readers after its commit. The counter's row is locked last and held until the commit, so that the order of
// event numbers is the order of commits. One thread at a time, under the database's state().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "database.hpp"
#include "event_feed.hpp"
#include "running_time.hpp"

namespace qarax::server {

class EventLog final : public Database::Trailer {
 public:
  // Borrows both.
  EventLog(const RunningTime& ran, EventFeed& feed) : ran_(ran), feed_(feed) {}

  void load(Session& session);

  // Called from the work of a Database::Change.
  void add(Event event) { added_.push_back(std::move(event)); }
  // The number that the next event of the transaction gets, if the transaction is committed.
  std::int64_t next() const { return feed_.last().seq + static_cast<std::int64_t>(added_.size()) + 1; }
  std::size_t size() const override { return added_.size(); }
  void shrink(std::size_t size) override { added_.resize(size); }
  void write(Session& session) override;
  void committed() override;

  std::int64_t stored_epoch(Session& session) const;
  EventPage stored_after(Session& session, std::int64_t seq, std::size_t most) const;
  // Removes all but the newest `keep` events, and of these the ones older than `keep_s` seconds of running time.
  // Returns the number of the first event that stays.
  std::int64_t prune(Session& session, std::int64_t keep, std::int64_t keep_s) const;

 private:
  const RunningTime& ran_;
  EventFeed& feed_;
  std::vector<Event> added_;
  std::vector<LoggedEventPtr> written_;
};

}  // namespace qarax::server
