// The server-sent events of one reader of GET /events: first the past from the database, then the present from memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/live_body.hpp"
#include "http/response.hpp"
#include "qarax/core/scope.hpp"
#include "store/event_store.hpp"

namespace qarax::server {

// The events that a reader wants; an empty member matches everything.
struct EventFilter {
  std::vector<std::string> types;
  std::vector<std::string> statuses;
  std::vector<std::string> tags;
  std::string vm_id;

  bool takes(const Event& event) const;
};

// Parses "<epoch>-<seq>", the form of `id:`; nullopt for anything else.
std::optional<EventPosition> parse_event_id(std::string_view text);
std::string event_id(EventPosition position);

class EventStream final : public http::LiveBody {
 public:
  // `after`: the last event that the reader has seen; nullopt: it wants only new events. Borrows the store.
  // `end`: the last seq of the epoch of `after` if that isn't the current epoch; nullopt if this database never had
  // that epoch.
  EventStream(EventStore& store, EventFilter filter, std::optional<EventPosition> after,
              std::optional<std::int64_t> end = std::nullopt);

  // Whether the reader's position is older than the events in memory, so that catch_up() has to run first.
  bool is_behind() const;
  // Sends events from the database until those in memory continue from there. False: the reader is gone. Throws
  // std::runtime_error if the database doesn't answer.
  bool catch_up(http::StreamSink& sink);
  // Sends all events up to `last`; otherwise as catch_up().
  bool catch_up(http::StreamSink& sink, std::int64_t last);

  bool pull(std::string& out) override;
  void heartbeat(std::string& out) override;
  void farewell(std::string_view reason, std::string& out) override;

 private:
  void greet(std::string& out);
  void append(std::string& out, const std::vector<LoggedEventPtr>& events);
  void follow_epoch(std::string& out);
  void append_gap(std::string& out, std::string_view reason, std::int64_t next);
  bool send(http::StreamSink& sink, std::int64_t last);
  std::string id_now() const { return event_id({epoch_, seq_}); }

  EventStore& store_;
  const EventFilter filter_;
  const core::Scope joined_;
  std::int64_t epoch_ = 0;
  std::int64_t seq_ = 0;                    // all events up to this one are sent or filtered out
  std::int64_t told_ = 0;                   // the last seq whose id was sent to the reader
  std::optional<EventPosition> misplaced_;  // the reader's position, if it isn't one of this log
  bool greeted_ = false;
};

}  // namespace qarax::server
