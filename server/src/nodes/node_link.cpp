#include "node_link.hpp"

#include <algorithm>
#include <utility>

#include "calls.hpp"
#include "node_console.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

// A killed or upgraded agent is back within moments: retries are frequent at first and rare later.
constexpr std::int64_t kFirstBackoffMs = 20;
constexpr int kQuickAttempts = 100;
constexpr std::int64_t kLastBackoffMs = 1'000;

// Why the greeting failed, as a reason of the problem catalogue.
std::string refusal_of(const Error& error) {
  if (error.code == Code::unauthenticated) return "node-unauthorized";
  if (error.reason == "protocol") return "node-protocol";
  // The node's proof made the database read-only, which only an adopt ends.
  if (error.reason == "set-back") return "read-only";
  for (const std::string_view known :
       {"other-node", "other-cluster", "stale-term", "node-taken", "node-unauthorized", "node-protocol"})
    if (error.reason == known) return error.reason;
  return "node-unreachable";
}

}  // namespace

NodeLink::NodeLink(HostPtr host, NodeStore& store, CallQueue& calls, NodeCredentials credentials, Events events)
    : host_(std::move(host)),
      store_(store),
      calls_queue_(calls),
      credentials_(std::move(credentials)),
      events_(std::move(events)),
      thread_([this] { run(); }) {}

NodeLink::~NodeLink() { stop(); }

void NodeLink::cancel_calls() {
  for (const auto& call : calls_) call->TryCancel();
  for (const auto& [context, console] : consoles_) console->interrupt();
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
  changed_.wait(lock, [&] { return calls_.empty() && consoles_.empty() && surveys_.empty(); });
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
  made->over = unix_socket ? "unix" : "tcp";
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
  QARAX_TRY(info, read_node_info(reply.node_info()));
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

// Greets the node and follows it until the event stream ends.
NodeLink::Ended NodeLink::reach() {
  Ended ended;
  core::NodeInfo info;
  auto made = connect(info);
  if (!made) {
    ended.reason = made.error().message;
    // Another server may have greeted the node meanwhile.
    if (made.error().code == Code::aborted || made.error().code == Code::failed_precondition) recognised_ = false;
    ended.slug = refusal_of(made.error());
    return ended;
  }
  store_.update_host(host_->id, HostStatus::initializing, "", info);
  {
    const std::lock_guard lock(mutex_);
    connection_ = *made;
    if (stopping_) return ended;
  }
  ended.reason = follow(*made);
  return ended;
}

// Records that the connection was lost or couldn't be made. False: the link is stopping.
bool NodeLink::leave(const Ended& ended) {
  ConnectionPtr left;  // the last reference may go here, after the lock is released
  {
    const std::lock_guard lock(mutex_);
    if (stream_) stream_->TryCancel();  // still there only if an exception ended reach()
    stream_ = nullptr;
    left = std::exchange(connection_, nullptr);
    // Ends the calls on the lost connection, so that their commands are sent again over the next one and not only
    // after their deadlines.
    if (left && left->features.contains(core::kFeatureCancel)) cancel_calls();
    last_error_ = make_error(Code::unavailable, ended.reason, ended.slug);
    ++attempts_;
    if (stopping_) return false;
  }
  changed_.notify_all();
  store_.update_host(host_->id, HostStatus::down, ended.reason, std::nullopt);
  store_.lose_host(host_->id, "its node " + name() + " can't be reached: " + ended.reason);
  return true;
}

void NodeLink::run() {
  core::name_this_thread("node-link");
  const auto log = core::logger("nodes");
  std::int64_t backoff = kFirstBackoffMs;
  int attempts_since_up = 0;
  std::string logged;
  for (;;) {
    Ended ended;
    core::guarded("node-link", [&] { ended = reach(); });
    if (up_.exchange(false)) {
      backoff = kFirstBackoffMs;
      attempts_since_up = 0;
    }
    core::guarded("node-link", [&] {
      if (leave(ended) && ended.reason != logged)
        log->warn("the node is down host={} name={} reason={}", host_->id, name(), core::log_value(ended.reason));
      logged = ended.reason;
    });
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(backoff), [&] { return stopping_ || hurry_; });
    if (stopping_) return;
    hurry_ = false;
    if (++attempts_since_up > kQuickAttempts) backoff = std::min(backoff * 2, kLastBackoffMs);
  }
}

Status NodeLink::connect_now(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  if (up_) return Ok{};
  const std::uint64_t before = attempts_;
  hurry_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return up_.load() || attempts_ > before + 1; });
  if (up_) return Ok{};
  return unusable();
}

Error NodeLink::unusable() const {
  const std::string reason = last_error_.reason.empty() ? "node-unreachable" : last_error_.reason;
  const bool is_away = reason == "node-unreachable";
  Error error = make_error(Code::unavailable,
                           "host " + name() + " at " + target() +
                               (is_away ? " can't be reached: " : " can't be used: ") + last_error_.message,
                           reason);
  error.retryable = !is_anothers(error);
  if (is_away) error.retry_after_ms = 1000;
  return error;
}

}  // namespace qarax::server
