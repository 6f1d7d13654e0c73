// `qarax events`: one line per event. A stream that breaks off is resumed at the last event, so that none is missed.
#include <thread>

#include "commands.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace qarax::cli {

namespace {

constexpr std::chrono::milliseconds kAgain{500};
// The server's own interval (`heartbeat` in server/src/http/server_config.hpp), which openapi.yaml promises.
constexpr std::chrono::seconds kHeartbeat{15};
constexpr auto kSilence = 3 * kHeartbeat;

// One frame of server-sent events.
struct Frame {
  std::string id;
  std::string event;
  std::string data;
};

// Splits the bytes of a stream into frames as they arrive.
class Frames {
 public:
  template <class Take>
  bool feed(std::string_view bytes, Take take) {
    rest_.append(bytes);
    for (std::size_t end = 0; (end = rest_.find('\n')) != std::string::npos;) {
      const std::string line = rest_.substr(0, end);
      rest_.erase(0, end + 1);
      if (!line.empty()) {
        add(line);
      } else if (const Frame whole = std::exchange(frame_, {}); !take(whole)) {
        return false;
      }
    }
    return true;
  }

 private:
  void add(const std::string& line) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) return;
    const std::string value = line.substr(colon + 2);
    const std::string_view name = std::string_view(line).substr(0, colon);
    if (name == "id") frame_.id = value;
    if (name == "event") frame_.event = value;
    if (name == "data") frame_.data = value;
  }

  std::string rest_;
  Frame frame_;
};

std::string line_of(const Frame& frame) {
  const auto event = json::parse(frame.data);
  if (!event) return frame.event + " " + printable(frame.data);
  std::string out = text_of(*event, "timestamp") + "  " + frame.event;
  for (const char* name : {"vm_name", "host_name", "action"})
    if (const std::string value = text_of(*event, name); !value.empty()) out += "  " + value;
  const std::string before = text_of(*event, "previous_status");
  const std::string after = text_of(*event, "new_status");
  if (!before.empty() || !after.empty()) out += "  " + before + (before.empty() || after.empty() ? "" : " → ") + after;
  if (const std::string reason = text_of(*event, "reason"); !reason.empty()) out += "  " + reason;
  return printable(out);
}

// Whether a stream that ended so is taken up again. While its server restarts nobody answers, or not in time.
bool is_passing(const Error& error) { return error.reason == kUnreachable || error.reason == kTimeout; }

}  // namespace

Status events(const Context& context) { return tell_events(context, kSilence); }

Status tell_events(const Context& context, std::chrono::milliseconds silence) {
  const bool follow = context.arguments.follow;
  std::string query = follow ? "?follow=true" : "?follow=false";
  if (!context.arguments.target.empty()) {
    QARAX_TRY(const Document vm, find_vm(context.api, context.arguments.target));
    query += "&vm_id=" + percent_encoded(text_of(vm.value, "id"));
  }
  FollowLimits limits;
  if (follow) limits.silence = silence;  // only a stream that goes on has heartbeats
  std::string seen = context.arguments.after;
  const auto take = [&](const Frame& frame) {
    if (!frame.id.empty()) seen = frame.id;
    if (frame.data.empty() || frame.event == "end") return static_cast<bool>(context.out);
    context.out << (context.arguments.json() ? frame.data : line_of(frame)) << '\n' << std::flush;
    return static_cast<bool>(context.out);
  };
  for (;;) {
    Frames frames;
    std::string target = "/events" + query;
    if (!seen.empty()) target.append("&after=").append(percent_encoded(seen));
    auto end = context.api.follow(target, limits, [&](std::string_view piece) { return frames.feed(piece, take); });
    if (!end && (!follow || seen.empty() || !is_passing(end.error()))) return std::move(end).error();
    if (!follow || (end && *end == StreamEnd::stopped)) return Ok{};
    std::this_thread::sleep_for(kAgain);
  }
}

}  // namespace qarax::cli
