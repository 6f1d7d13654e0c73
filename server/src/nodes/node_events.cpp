// A node's events, and whether the connection works in both directions.
#include <algorithm>
#include <limits>

#include "calls.hpp"
#include "node_link.hpp"
#include "qarax/core/cut.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kSilenceNs = 5'000'000'000;  // heartbeats come more than once a second
constexpr std::int64_t kProbeEveryNs = 2'000'000'000;
constexpr std::int64_t kTellEveryNs = 1'000'000'000;  // for a probe whose only news is the database's position

// While this exists the node doesn't count as silent: the server itself is busy with an event, which its database may
// delay.
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

std::string unread_reason(const std::string& what, const Error& why) {
  return what + " can't be read (" + core::cut_text(why.message, core::kLongestWord) +
         "); see the node's log, and upgrade the older of server and node";
}

}  // namespace

// One event stream, on the link's thread.
struct NodeLink::Stream {
  const ConnectionPtr connection;
  std::vector<std::string> seen{};  // VMs of the snapshot, which may be partly received
  // Why one of its reports can't be read, which doesn't even say its VM.
  std::optional<Error> anyones{};
  bool in_snapshot = false;
};

std::string NodeLink::follow(const ConnectionPtr& connection) {
  auto context = std::make_shared<grpc::ClientContext>();
  prepare(*context);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return "the server is ending";
    stream_ = context;
    probed_ns_ = plugin::monotonic_ns();  // the greeting counts as a probe
  }
  last_event_ns_ = plugin::monotonic_ns();
  node::v1::WatchRequest request;
  *request.mutable_authority() = connection->authority;
  auto reader = connection->stub->Watch(context.get(), request);
  node::v1::Event event;
  std::int64_t expected = 1;
  std::string why;
  Stream stream{connection};
  while (why.empty() && reader->Read(&event)) {
    const Handling handling(last_event_ns_);
    why = event.seq() == expected++ ? take_in(event, stream) : "its event stream has a gap; asking for a snapshot";
    if (!why.empty()) context->TryCancel();
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

std::string NodeLink::take_in(const node::v1::Event& event, Stream& stream) {
  switch (event.what_case()) {
    case node::v1::Event::kBegin:
      stream.in_snapshot = true;
      break;
    case node::v1::Event::kReport:
      return on_report(event.report(), stream);
    case node::v1::Event::kEnd:
      return on_snapshot_end(stream);
    case node::v1::Event::kNodeInfo:
      on_node_info(event.node_info());
      break;
    case node::v1::Event::kProgress:
      if (const auto progress = read_progress(event.progress()); progress && events_.progress)
        events_.progress(host_->id, *progress);
      break;
    case node::v1::Event::kHeartbeat:
    case node::v1::Event::WHAT_NOT_SET:  // of a newer protocol
      break;
  }
  return {};
}

std::string NodeLink::on_report(std::string_view document, Stream& stream) {
  const auto report = read_report(document);
  if (!report && report.error().reason == kUnbelievable) return report.error().message;
  if (!report) {
    core::logger("nodes")->error("a report can't be read host={} name={} reason={}", host_->id, name(),
                                 core::log_value(report.error().message));
    const std::string vm = vm_of_report(document);
    if (!vm.empty()) store_.lose_vm(host_->id, vm, unread_reason("its node's report of it", report.error()));
    // The node has that VM's folder all the same.
    if (stream.in_snapshot && !vm.empty()) stream.seen.push_back(vm);
    if (stream.in_snapshot && vm.empty()) stream.anyones = report.error();
    return {};
  }
  if (stream.in_snapshot) stream.seen.push_back(report->vm);
  // A node whose proof isn't on record mustn't count as heard: it is asked anew.
  if (const Status looked = look_for_set_back(*report); !looked) return looked.error().message;
  if (const VmPtr vm = store_.apply_report(host_->id, *report)) events_.report(vm, *report);
  return {};
}

// Any VM may be the one of a report that doesn't say which, and so none is told as missing.
void NodeLink::lose_unseen(const Stream& stream) {
  const std::string reason = unread_reason("its node is up, but a report that may be this VM's", *stream.anyones);
  for (const VmPtr& vm : store_.vms()) {
    const bool is_seen = std::find(stream.seen.begin(), stream.seen.end(), vm->id) != stream.seen.end();
    if (!is_seen && vm->job_id.empty()) store_.lose_vm(host_->id, vm->id, reason);
  }
}

std::string NodeLink::on_snapshot_end(Stream& stream) {
  stream.in_snapshot = false;
  if (stream.anyones)
    lose_unseen(stream);
  else
    store_.missing_from_snapshot(host_->id, stream.seen);
  // Each of the reports was looked at for a proof that the database was set back. A database that takes no changes now
  // keeps only a host away that changes wait for.
  if (const Status heard = store_.hear(host_->id); !heard) return heard.error().message;
  store_.update_host(host_->id, HostStatus::up, "", std::nullopt);
  up_ = true;
  core::logger("nodes")->info("the node is up host={} name={} vms={} over={}", host_->id, name(), stream.seen.size(),
                              stream.connection->over);
  {
    const std::lock_guard lock(mutex_);
    ++attempts_;
  }
  changed_.notify_all();
  events_.up(host_->id);
  return {};
}

void NodeLink::on_node_info(std::string_view document) {
  const auto info = read_node_info(document);
  const HostPtr now = store_.host(host_->id);
  if (info && now) store_.update_host(host_->id, now->status, now->status_reason, *info);
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
    // Events prove only that the node reaches the server. A probe also proves the other direction.
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
