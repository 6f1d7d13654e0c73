#include "node_link.hpp"

#include <algorithm>
#include <limits>

#include "calls.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kGreetMs = 5'000;
constexpr std::int64_t kSilenceNs = 5'000'000'000;  // heartbeats come more than once a second
constexpr std::int64_t kProbeEveryNs = 2'000'000'000;
constexpr std::int64_t kTellEveryNs = 1'000'000'000;  // a position that no command has taken along
// An agent that was killed or upgraded is back within a moment: until then it is asked often, later seldom.
constexpr std::int64_t kFirstBackoffMs = 20;
constexpr int kQuickAttempts = 100;
constexpr std::int64_t kLastBackoffMs = 1'000;

// What kept a greeting from succeeding, as the problem catalogue names it.
std::string refusal_of(const Error& error) {
  if (error.code == Code::unauthenticated) return "node-unauthorized";
  if (error.reason == "protocol") return "node-protocol";
  for (const std::string_view known : {"other-node", "other-cluster", "stale-term", "node-taken"})
    if (error.reason == known) return error.reason;
  return "node-unreachable";
}

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

NodeLink::NodeLink(HostPtr host, Store& store, CallQueue& calls, NodeCredentials credentials, Events events)
    : host_(std::move(host)),
      store_(store),
      calls_queue_(calls),
      credentials_(std::move(credentials)),
      events_(std::move(events)),
      thread_([this] { run(); }) {}

NodeLink::~NodeLink() { stop(); }

void NodeLink::cancel_calls() {
  for (const auto& call : calls_) call->TryCancel();
}

void NodeLink::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (greeting_) greeting_->TryCancel();
    if (stream_) stream_->TryCancel();
    for (const auto& survey : surveys_) survey->TryCancel();
    cancel_calls();
  }
  changed_.notify_all();
}

void NodeLink::stop() {
  interrupt();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return calls_.empty() && surveys_.empty(); });
}

void NodeLink::prepare(grpc::ClientContext& context) const {
  if (!credentials_.token.empty()) context.AddMetadata("authorization", "Bearer " + credentials_.token);
}

std::string NodeLink::name() const {
  const HostPtr now = store_.host(host_->id);
  return now ? now->name : host_->name;
}

NodeLink::ConnectionPtr NodeLink::connection() const {
  const std::lock_guard lock(mutex_);
  return connection_;
}

Result<NodeLink::ConnectionPtr> NodeLink::greet(const std::shared_ptr<grpc::Channel>& channel, bool unix_socket,
                                                core::NodeInfo& info) {
  auto made = std::make_shared<Connection>();
  made->channel = channel;
  made->stub = node::v1::Node::NewStub(made->channel);
  if (!unix_socket) QARAX_CHECK(recognise(*made->stub));
  const Activation activation = store_.activation();
  made->authority.set_cluster_id(activation.cluster_id);
  made->authority.set_term(activation.term);
  made->authority.set_activation(activation.id);

  node::v1::HelloRequest request;
  *request.mutable_authority() = authority_over(*made);
  request.set_protocol(1);
  request.set_min_protocol(1);
  for (const std::string_view feature : core::kFeatures) request.add_features(std::string(feature));
  const HostPtr now = store_.host(host_->id);
  if (now) request.set_expected_node_id(now->node_id);
  node::v1::HelloReply reply;
  auto context = std::make_shared<grpc::ClientContext>();
  context->set_deadline(in_ms(kGreetMs));
  prepare(*context);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return make_error(Code::cancelled, "the server is ending");
    greeting_ = context;
  }
  const grpc::Status status = made->stub->Hello(context.get(), request, &reply);
  {
    const std::lock_guard lock(mutex_);
    greeting_ = nullptr;
  }
  if (!status.ok()) return unreached(status);
  QARAX_TRY(info, decode<core::NodeInfo>(std::string_view(reply.node_info()), Unknown::ignore));
  QARAX_CHECK(check_identity(info));
  made->authority.set_session(reply.session());
  made->features.insert(reply.features().begin(), reply.features().end());
  return made;
}

Result<NodeLink::ConnectionPtr> NodeLink::connect(core::NodeInfo& info) {
  QARAX_TRY(const auto channel, node_channel(host_->address, host_->port, credentials_));
  QARAX_TRY(ConnectionPtr made, greet(channel, false, info));
  // On one machine the unix socket saves the TCP stack; it must lead to the same agent.
  if (!info.unix_socket.empty() && info.boot_id == core::boot_identity()) {
    core::NodeInfo other;
    auto local = greet(node_socket_channel(info.unix_socket), true, other);
    if (local && other.node_id == info.node_id && other.session == info.session) made = std::move(*local);
  }
  const HostPtr now = store_.host(host_->id);
  if (now && now->node_id.empty()) QARAX_CHECK(store_.pin_node(host_->id, info.node_id));
  recognised_ = true;
  return made;
}

void NodeLink::run() {
  const auto log = core::logger("nodes");
  std::int64_t backoff = kFirstBackoffMs;
  int attempts_since_up = 0;
  std::string logged;
  for (;;) {
    core::NodeInfo info;
    auto made = connect(info);
    std::string reason;
    std::string slug = "node-unreachable";
    if (made) {
      store_.update_host(host_->id, HostStatus::initializing, "", info);
      {
        const std::lock_guard lock(mutex_);
        connection_ = *made;
        if (stopping_) return;
      }
      reason = follow(*made);
      const bool was_up = up_.exchange(false);
      if (was_up) {
        backoff = kFirstBackoffMs;
        attempts_since_up = 0;
      }
    } else {
      reason = made.error().message;
      // Somebody else may have come in between.
      if (made.error().code == Code::aborted || made.error().code == Code::failed_precondition) recognised_ = false;
      slug = refusal_of(made.error());
    }
    {
      const std::lock_guard lock(mutex_);
      connection_ = nullptr;
      // What is still under way over it is asked for again over the next one, and not after its own deadline.
      if (made && (*made)->features.contains(core::kFeatureCancel)) cancel_calls();
      last_error_ = make_error(Code::unavailable, reason, slug);
      ++attempts_;
      if (stopping_) return;
    }
    changed_.notify_all();
    store_.update_host(host_->id, HostStatus::down, reason, std::nullopt);
    store_.lose_host(host_->id, "its node " + name() + " can't be reached: " + reason);
    if (reason != logged) log->warn("the node is down host={} reason={}", name(), core::log_value(reason));
    logged = reason;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(backoff), [&] { return stopping_ || hurry_; });
    if (stopping_) return;
    hurry_ = false;
    if (++attempts_since_up > kQuickAttempts) backoff = std::min(backoff * 2, kLastBackoffMs);
  }
}

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
      core::logger("nodes")->info("the node is up host={} vms={}", name(), seen.size());
      {
        const std::lock_guard lock(mutex_);
        ++attempts_;
      }
      changed_.notify_all();
      events_.up(host_->id);
    } else if (event.what_case() == node::v1::Event::kReport) {
      auto report = decode<core::VmReport>(std::string_view(event.report()), Unknown::ignore);
      if (!report) {
        core::logger("nodes")->error("a report can't be read host={} reason={}", name(),
                                     core::log_value(report.error().message));
        continue;
      }
      if (in_snapshot) seen.push_back(report->vm);
      look_for_set_back(*report);
      if (const VmPtr vm = store_.apply_report(host_->id, *report)) events_.report(vm, *report);
    } else if (event.what_case() == node::v1::Event::kNodeInfo) {
      auto info = decode<core::NodeInfo>(std::string_view(event.node_info()), Unknown::ignore);
      const HostPtr now = store_.host(host_->id);
      if (info && now) store_.update_host(host_->id, now->status, now->status_reason, *info);
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

Status NodeLink::connect_now(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  if (up_) return Ok{};
  const std::uint64_t before = attempts_;
  hurry_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return up_.load() || attempts_ > before + 1; });
  if (up_) return Ok{};
  Error error =
      make_error(Code::unavailable, "host " + name() + " at " + target() + " can't be reached: " + last_error_.message,
                 last_error_.reason.empty() ? "node-unreachable" : last_error_.reason);
  error.retryable = true;
  error.retry_after_ms = 1000;
  return error;
}

}  // namespace qarax::server
