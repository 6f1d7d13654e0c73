// The log of events, for its readers. Part of Store, whose contract holds here too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "event_feed.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

class EventStore {
 public:
  virtual ~EventStore() = default;

  virtual EventFeed& events() = 0;  // the newest ones, in memory
  // Number of the last event of an earlier epoch; nullopt: this database never had that epoch, or it is the current
  // one.
  virtual Result<std::optional<std::int64_t>> end_of_epoch(std::int64_t epoch) = 0;
  // Events after `seq`, read from the database.
  virtual Result<EventPage> stored_events(std::int64_t seq, std::size_t most) = 0;
};

}  // namespace qarax::server
