#include "handlers/event_stream.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "http/text.hpp"

namespace qarax::server {

namespace {

constexpr std::size_t kInOneLook = 64;
constexpr std::size_t kFullPull = std::size_t{16} * 1024;
constexpr std::size_t kInOneQuery = 500;

bool contains(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

bool parse(std::string_view text, std::int64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && out >= 0;
}

void append_frame(std::string& out, std::string_view id, std::string_view type, std::string_view data) {
  out.append("id: ").append(id).append("\nevent: ").append(type).append("\ndata: ").append(data).append("\n\n");
}

}  // namespace

bool EventFilter::takes(const Event& event) const {
  if (!types.empty() && !contains(types, event.type)) return false;
  if (!vm_id.empty() && event.vm_id != vm_id) return false;
  if (!statuses.empty() && !(event.new_status && contains(statuses, *event.new_status))) return false;
  return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) { return contains(event.tags, tag); });
}

std::optional<EventPosition> parse_event_id(std::string_view text) {
  const std::size_t dash = text.find('-');
  EventPosition out;
  if (dash == std::string_view::npos || !parse(text.substr(0, dash), out.epoch) ||
      !parse(text.substr(dash + 1), out.seq))
    return std::nullopt;
  return out;
}

std::string event_id(EventPosition position) {
  return std::to_string(position.epoch) + "-" + std::to_string(position.seq);
}

EventStream::EventStream(EventStore& store, EventFilter filter, std::optional<EventPosition> after,
                         std::optional<std::int64_t> end)
    : store_(store), filter_(std::move(filter)), joined_(store.events().join()) {
  const EventPosition last = store_.events().last();
  epoch_ = last.epoch;
  seq_ = last.seq;
  if (!after) return;
  if (after->seq <= (after->epoch == last.epoch ? last.seq : end.value_or(-1))) {
    seq_ = after->seq;
  } else {
    misplaced_ = after;
    seq_ = store_.events().oldest() - 1;
  }
}

bool EventStream::is_behind() const { return !store_.events().recent_after(seq_, 1).complete; }

// Sends the reader's position first, so that it can resume even if no event follows.
void EventStream::greet(std::string& out) {
  if (std::exchange(greeted_, true)) return;
  if (misplaced_) {
    append_gap(out, "epoch", seq_ + 1);
  } else {
    out.append("retry: 1000\nid: ").append(id_now()).append("\n\n");
  }
  told_ = seq_;
}

// A new epoch means that the database was restored and hosts were adopted: events that this reader has seen may be
// missing from the log.
void EventStream::follow_epoch(std::string& out) {
  const std::int64_t now = store_.events().last().epoch;
  if (now == epoch_) return;
  misplaced_ = EventPosition{epoch_, seq_};
  epoch_ = now;
  append_gap(out, "epoch", seq_ + 1);
}

void EventStream::append(std::string& out, const std::vector<LoggedEventPtr>& events) {
  for (const LoggedEventPtr& one : events) {
    if (one->seq > seq_ + 1) append_gap(out, "retention", one->seq);
    seq_ = one->seq;
    if (!filter_.takes(one->event)) continue;
    told_ = seq_;
    append_frame(out, id_now(), one->event.type, one->document);
  }
}

// Tells the reader that events between its position and `next` are missing. The frame has the id of the last missing
// event.
void EventStream::append_gap(std::string& out, std::string_view reason, std::int64_t next) {
  std::string data = "{\"reason\":";
  http::append_json_text(data, reason);
  data.append(",\"after\":");
  http::append_json_text(data, event_id(misplaced_ ? *misplaced_ : EventPosition{epoch_, seq_}));
  seq_ = told_ = next - 1;
  misplaced_.reset();
  data.append(",\"resumes_after\":");
  http::append_json_text(data, id_now());
  data.append(",\"hint\":\"read what you follow anew: GET /vms, GET /hosts\"}");
  append_frame(out, id_now(), "gap", data);
}

bool EventStream::send(http::StreamSink& sink, std::int64_t last) {
  auto page = store_.stored_events(seq_, kInOneQuery);
  // Too late for a problem document: throwing ends the connection without the last chunk.
  if (!page) throw std::runtime_error(page.error().message);
  std::erase_if(page->events, [&](const LoggedEventPtr& one) { return one->seq > last; });
  std::string out;
  if (page->events.empty()) {
    // Retention has meanwhile removed everything before the oldest event in memory.
    const std::int64_t next = std::min(std::max(store_.events().oldest(), seq_ + 1), last + 1);
    if (next > seq_ + 1) append_gap(out, "retention", next);
    seq_ = std::max(seq_, next - 1);
  } else {
    append(out, page->events);
  }
  return out.empty() ? sink.wait(std::chrono::milliseconds(0)) : sink.write(out);
}

bool EventStream::catch_up(http::StreamSink& sink) {
  std::string out;
  greet(out);
  if (!out.empty() && !sink.write(out)) return false;
  while (is_behind())
    if (!send(sink, std::numeric_limits<std::int64_t>::max() - 1)) return false;
  return true;
}

bool EventStream::catch_up(http::StreamSink& sink, std::int64_t last) {
  std::string out;
  greet(out);
  if (!out.empty() && !sink.write(out)) return false;
  while (seq_ < last)
    if (!send(sink, last)) return false;
  return true;
}

bool EventStream::pull(std::string& out) {
  greet(out);
  follow_epoch(out);
  for (bool more = true; more && out.size() < kFullPull;) {
    const EventPage page = store_.events().recent_after(seq_, kInOneLook);
    if (!page.complete) {
      farewell("slow-reader", out);
      return false;
    }
    append(out, page.events);
    more = page.events.size() == kInOneLook;
  }
  return true;
}

void EventStream::heartbeat(std::string& out) {
  out.append(": heartbeat\n");
  // Send the position also past filtered events, so that a reader that resumes later isn't told of a gap.
  if (told_ != seq_) out.append("id: ").append(id_now()).append("\n");
  told_ = seq_;
  out.append("\n");
}

void EventStream::farewell(std::string_view reason, std::string& out) {
  std::string data = "{\"reason\":";
  http::append_json_text(data, reason);
  data.append(",\"hint\":\"connect again with Last-Event-ID: nothing is lost\"}");
  append_frame(out, id_now(), "end", data);
}

}  // namespace qarax::server
