// The log of events, and the removal of old data.
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

Result<EventPage> SqlStore::stored_events(std::int64_t seq, std::size_t most) {
  EventPage page;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    page = events_.stored_after(session, seq, most);
    return Ok{};
  }));
  return page;
}

Status SqlStore::prune(const Retention& retention) {
  std::int64_t first = 0;
  return db_->transact(Database::freeing({{},
                                          [&](Session& session) -> Status {
                                            first = events_.prune(session, retention.events, retention.events_s);
                                            rows::prune_jobs(session, retention.jobs, retention.jobs_s, ran_.seconds());
                                            prune_keys(session);
                                            ran_.save(session);
                                            return Ok{};
                                          },
                                          [&] { feed_.forget_before(first); }}));
}

void SqlStore::log_later(std::vector<Event> events) {
  db_->later(
      [this, events = std::move(events)](Session&) {
        for (const Event& event : events) events_.add(event);
      },
      feed_.has_readers());
}

// Writes the VM as it is when the queue is written, so that a change committed in between isn't overwritten.
void SqlStore::save_later(const std::string& id, std::vector<Event> events) {
  const bool at_once = !events.empty() && feed_.has_readers();
  db_->later(
      [this, id, events = std::move(events)](Session& session) {
        if (const VmPtr vm = memory_.vm(id)) rows::update_vm(session, *vm);
        for (const Event& event : events) events_.add(event);
      },
      at_once);
}

}  // namespace qarax::server
