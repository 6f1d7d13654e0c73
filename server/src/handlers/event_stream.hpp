// One reader of GET /events: from where it stands through the database's past into the present, as server-sent events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/live_body.hpp"
#include "http/response.hpp"
#include "store/store.hpp"

namespace qarax::server {

// What a reader wants to hear of; empty: everything.
struct EventFilter {
  std::vector<std::string> types;
  std::vector<std::string> statuses;
  std::vector<std::string> tags;
  std::string vm_id;

  bool takes(const Event& event) const;
};

// "<epoch>-<seq>", as in `id:`; nullopt where it is something else.
std::optional<EventPosition> parse_event_id(std::string_view text);
std::string event_id(EventPosition position);

class EventStream final : public http::LiveBody {
 public:
  // `after`: the last event that the reader has seen; nullopt: it wants what comes from now on. Borrows the store.
  // `end`: of the epoch of `after`, where that isn't the present one; none: it never was this database's.
  EventStream(Store& store, EventFilter filter, std::optional<EventPosition> after,
              std::optional<std::int64_t> end = std::nullopt);

  // Where memory doesn't reach back to, so that catch_up() has to come first.
  bool is_behind() const;
  // Sends what the database has, until memory goes on from there. False: the reader is gone. Throws
  // std::runtime_error where the database doesn't answer.
  bool catch_up(http::StreamSink& sink);
  // Everything up to `last`, as catch_up().
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

  Store& store_;
  const EventFilter filter_;
  const std::shared_ptr<void> joined_;
  std::int64_t epoch_ = 0;
  std::int64_t seq_ = 0;                    // everything up to it has been dealt with
  std::int64_t told_ = 0;                   // the reader knows that it is there
  std::optional<EventPosition> misplaced_;  // it came from where this log has never been
  bool greeted_ = false;
};

}  // namespace qarax::server
