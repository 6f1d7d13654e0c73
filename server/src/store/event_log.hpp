// The durable log of what happened. Events are added by the changes that cause them, written in their transaction, and
// fed to readers once it is committed. The counter's row is locked last and held until then, so that the order of ids
// is that of commits. One thread at a time, under the database's state().
#pragma once

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

  // In a change's work.
  void add(Event event) { added_.push_back(std::move(event)); }
  std::size_t size() const override { return added_.size(); }
  void shrink(std::size_t size) override { added_.resize(size); }
  void write(Session& session) override;
  void committed() override;

  std::int64_t stored_epoch(Session& session) const;
  EventPage stored_after(Session& session, std::int64_t seq, std::size_t most) const;
  // Removes all but the newest `keep`, and of these what is older than `keep_s` seconds of running; answers the first
  // that stays.
  std::int64_t prune(Session& session, std::int64_t keep, std::int64_t keep_s) const;

 private:
  const RunningTime& ran_;
  EventFeed& feed_;
  std::vector<Event> added_;
  std::vector<LoggedEventPtr> written_;
};

}  // namespace qarax::server
