#include "handlers/event_handlers.hpp"

#include "handlers/event_stream.hpp"
#include "handlers/listing.hpp"
#include "handlers/reply.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

constexpr std::string_view kEventStreamType = "text/event-stream";

Result<EventFilter> filter_of(const http::Request& request) {
  EventFilter filter;
  filter.types = elements_of(request, "type");
  filter.statuses = elements_of(request, "status");
  for (const std::string& one : filter.statuses)
    if (!enum_named<VmState>(one) && !enum_named<HostStatus>(one) && !enum_named<JobState>(one))
      return make_error(Code::invalid_argument,
                        "\"" + one.substr(0, 80) +
                            "\" is no status of a VM or a host and no state of a job, such as running, up or completed",
                        "bad-query");
  filter.tags = elements_of(request, "tag");
  if (const auto vm = request.query_value("vm_id")) {
    if (!core::is_uuid(*vm))
      return make_error(Code::invalid_argument, "vm_id: \"" + std::string(*vm) + "\" is not a UUID", "bad-uuid");
    filter.vm_id = core::to_lower(*vm);
  }
  return filter;
}

// ?after= wins over Last-Event-ID, which browsers send by themselves. Position 0 of the current epoch comes before all
// events.
Result<std::optional<EventPosition>> position_of(const http::Request& request, const EventFeed& feed) {
  const auto after = request.query_value("after");
  const auto text = after ? after : request.header("Last-Event-ID");
  if (!text || (!after && text->empty())) return std::optional<EventPosition>();
  if (*text == "oldest") return std::optional<EventPosition>({feed.last().epoch, feed.oldest() - 1});
  auto position = parse_event_id(*text);
  if (!position)
    return make_error(Code::invalid_argument,
                      "\"" + std::string(text->substr(0, 80)) +
                          "\" is no event's id; take the last one that was received, such as 1-42, or after=oldest",
                      "bad-query");
  return position;
}

Answer events(const http::Request& request, Store& store) {
  QARAX_TRY(EventFilter filter, filter_of(request));
  QARAX_TRY(auto after, position_of(request, store.events()));
  QARAX_TRY(const bool follow, flag_of(request, "follow"));
  const bool goes_on = follow || !request.query_value("follow");
  if (!goes_on && !after) after = {store.events().last().epoch, store.events().oldest() - 1};
  std::optional<std::int64_t> end;
  if (after && after->epoch != store.events().last().epoch) {
    QARAX_TRY(end, store.end_of_epoch(after->epoch));
  }
  const auto stream = std::make_shared<EventStream>(store, std::move(filter), after, end);
  http::Response response;
  if (!goes_on) {
    response = http::Response::streaming(kEventStreamType, [stream, log = &store](http::StreamSink& sink) {
      log->flush();  // the reply must include every change that a GET already shows
      stream->catch_up(sink, log->events().last().seq);
    });
  } else {
    response = http::Response::going_on(kEventStreamType, stream);
    if (stream->is_behind()) response.stream = [stream](http::StreamSink& sink) { stream->catch_up(sink); };
  }
  // Keep proxies from buffering, which would delay events.
  return std::move(response).with("Cache-Control", "no-store").with("X-Accel-Buffering", "no");
}

}  // namespace

void add_event_routes(http::Router& router, Store& store) {
  router.add("GET", "/events", answering([&store](const http::Request& request) { return events(request, store); }));
}

}  // namespace qarax::server
