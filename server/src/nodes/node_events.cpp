// What comes from a node, and whether it is heard and hears.
#include <limits>

#include "calls.hpp"
#include "node_link.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kSilenceNs = 5'000'000'000;  // heartbeats come more than once a second
constexpr std::int64_t kProbeEveryNs = 2'000'000'000;
constexpr std::int64_t kTellEveryNs = 1'000'000'000;  // a position that no command has taken along

// What this side takes for an event, which a database may hold up, is no silence of the node's.
class Handling {
 public:
  explicit Handling(std::atomic<std::int64_t>& last_event_ns) : last_event_ns_(last_event_ns) {
    last_event_ns_ = std::numeric_limits<std::int64_t>::max();
  }
  ~Handling() { last_event_ns_ = plugin::monotonic_ns(); }
  Handling(const Handling&) = delete;
  Handling& operator=(const Handling&) = delete;

 private:
  std::atomic<std::int64_t>& last_event_ns_;
};

}  // namespace

std::string NodeLink::follow(const ConnectionPtr& connection) {
  auto context = std::make_shared<grpc::ClientContext>();
  prepare(*context);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return "the server is ending";
    stream_ = context;
    probed_ns_ = plugin::monotonic_ns();  // by the greeting
  }
  last_event_ns_ = plugin::monotonic_ns();
  node::v1::WatchRequest request;
  *request.mutable_authority() = connection->authority;
  auto reader = connection->stub->Watch(context.get(), request);
  node::v1::Event event;
  std::int64_t expected = 1;
  std::string why;
  std::vector<std::string> seen;
  bool in_snapshot = false;
  while (reader->Read(&event)) {
    const Handling handling(last_event_ns_);
    if (event.seq() != expected++) {
      why = "its event stream has a gap; asking for a snapshot";
      context->TryCancel();
      break;
    }
    if (event.has_begin()) {
      in_snapshot = true;
    } else if (event.has_end()) {
      in_snapshot = false;
      store_.missing_from_snapshot(host_->id, seen);
      store_.update_host(host_->id, HostStatus::up, "", std::nullopt);
      up_ = true;
      core::logger("nodes")->info("the node is up host={} name={} vms={} over={}", host_->id, name(), seen.size(),
                                  connection->over);
      {
        const std::lock_guard lock(mutex_);
        ++attempts_;
      }
      changed_.notify_all();
      events_.up(host_->id);
    } else if (event.what_case() == node::v1::Event::kReport) {
      auto report = read_report(event.report());
      if (!report && report.error().reason == kUnbelievable) {
        why = report.error().message;
        context->TryCancel();
        break;
      }
      if (!report) {
        core::logger("nodes")->error("a report can't be read host={} name={} reason={}", host_->id, name(),
                                     core::log_value(report.error().message));
        continue;
      }
      if (in_snapshot) seen.push_back(report->vm);
      look_for_set_back(*report);
      if (const VmPtr vm = store_.apply_report(host_->id, *report)) events_.report(vm, *report);
    } else if (event.what_case() == node::v1::Event::kNodeInfo) {
      auto info = read_node_info(event.node_info());
      const HostPtr now = store_.host(host_->id);
      if (info && now) store_.update_host(host_->id, now->status, now->status_reason, *info);
    } else if (event.what_case() == node::v1::Event::kProgress) {
      const auto progress = read_progress(event.progress());
      if (progress && events_.progress) events_.progress(host_->id, *progress);
    }
  }
  const grpc::Status status = reader->Finish();
  const std::lock_guard lock(mutex_);
  stream_ = nullptr;
  if (std::string cut = std::exchange(cut_because_, {}); !cut.empty()) return cut;
  if (!why.empty()) return why;
  return status.ok()                        ? "it ended the event stream"
         : to_error(status).message.empty() ? "the connection broke"
                                            : to_error(status).message;
}

void NodeLink::check_heartbeat() {
  ContextPtr context;
  ConnectionPtr over;
  {
    const std::lock_guard lock(mutex_);
    if (!stream_ || stopping_) return;
    const std::int64_t now = plugin::monotonic_ns();
    if (now - last_event_ns_.load() > kSilenceNs)
      return cut("nothing was heard of it for " + std::to_string(kSilenceNs / 1'000'000'000) + " s");
    // What it says proves that it is heard, not that it hears.
    if (probing_ || !up_) return;
    const bool news = connection_->features.contains(core::kFeaturePosition) && store_.progress().position > told_;
    if (now - probed_ns_ < (news ? kTellEveryNs : kProbeEveryNs)) return;
    probing_ = true;
    context = std::make_shared<grpc::ClientContext>();
    calls_.insert(context);
    over = connection_;
  }
  probe(over, context);
}

void NodeLink::cut(const std::string& why) {
  if (stream_) {
    cut_because_ = why;
    stream_->TryCancel();
  }
  cancel_calls();
}

}  // namespace qarax::server
