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
constexpr std::int64_t kSilenceNs = 5'000'000'000;  // heartbeats come every second
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

// A refusal of the call as a whole, or a connection that broke: neither says what became of the VM.
bool is_decision(const Error& error) {
  return error.reason != "stale-session" && error.code != Code::unavailable && error.code != Code::deadline_exceeded &&
         error.code != Code::cancelled && error.code != Code::unknown && error.reason != "other-cluster" &&
         error.reason != "stale-term" && error.code != Code::unauthenticated;
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

Result<NodeLink::ConnectionPtr> NodeLink::greet(const std::string& target, bool unix_socket, core::NodeInfo& info) {
  auto made = std::make_shared<Connection>();
  made->channel = channel_to(target, unix_socket);
  made->stub = node::v1::Node::NewStub(made->channel);
  if (!unix_socket) QARAX_CHECK(recognise(*made->stub));
  const Activation activation = store_.activation();
  made->authority.set_cluster_id(activation.cluster_id);
  made->authority.set_term(activation.term);
  made->authority.set_activation(activation.id);

  node::v1::HelloRequest request;
  *request.mutable_authority() = made->authority;
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
  if (!status.ok()) return to_error(status);
  QARAX_TRY(info, decode<core::NodeInfo>(std::string_view(reply.node_info()), Unknown::ignore));
  QARAX_CHECK(check_identity(info));
  made->authority.set_session(reply.session());
  made->features.insert(reply.features().begin(), reply.features().end());
  return made;
}

Result<NodeLink::ConnectionPtr> NodeLink::connect(core::NodeInfo& info) {
  QARAX_TRY(ConnectionPtr made, greet(target(), false, info));
  // On one machine the unix socket saves the TCP stack; it must lead to the same agent.
  if (!info.unix_socket.empty() && info.boot_id == core::boot_identity()) {
    core::NodeInfo other;
    auto local = greet("unix:" + info.unix_socket, true, other);
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
  if (!why.empty()) return why;
  return status.ok()                        ? "it ended the event stream"
         : to_error(status).message.empty() ? "the connection broke"
                                            : to_error(status).message;
}

void NodeLink::check_heartbeat() {
  const std::lock_guard lock(mutex_);
  if (!stream_ || plugin::monotonic_ns() - last_event_ns_.load() <= kSilenceNs) return;
  stream_->TryCancel();
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
  Error error = make_error(Code::unavailable,
                           "host " + name() + " at " + host_->address + ":" + std::to_string(host_->port) +
                               " can't be reached: " + last_error_.message,
                           last_error_.reason.empty() ? "node-unreachable" : last_error_.reason);
  error.retryable = true;
  error.retry_after_ms = 1000;
  return error;
}

// One command in flight.
class NodeLink::Call final : public CallQueue::Tag {
 public:
  Call(NodeLink& link, ConnectionPtr over, std::shared_ptr<grpc::ClientContext> with,
       std::function<void(CommandOutcome)> done)
      : connection(std::move(over)), context(std::move(with)), link_(link), done_(std::move(done)) {}

  void finished() override {
    done_(outcome());
    // The last thing: after it the link may be gone.
    const std::lock_guard lock(link_.mutex_);
    link_.calls_.erase(context);
    link_.changed_.notify_all();
  }

  const ConnectionPtr connection;  // outlives the call
  const std::shared_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<node::v1::CommandReply>> reader;
  node::v1::CommandReply reply;
  grpc::Status status;

 private:
  CommandOutcome outcome() const {
    CommandOutcome out;
    if (!status.ok()) {
      out.error = to_error(status);
      // What gRPC itself says of a call, without the node's own words, is no answer of the node's.
      out.decided = decode_error(status.error_details()).has_value() && is_decision(*out.error);
      return out;
    }
    if (!reply.report().empty())
      if (auto report = decode<core::VmReport>(std::string_view(reply.report()), Unknown::ignore))
        out.report = std::move(*report);
    out.decided = true;
    if (reply.error().empty()) return out;
    out.error = decode_error(reply.error())
                    .value_or(make_error(Code::unknown, "the node's error can't be read", "node-protocol"));
    // It goes on there, or hasn't begun: the node will say later what became of it.
    out.decided = out.error->reason != "still-running" && out.error->reason != "recovering" &&
                  out.error->reason != "node-unreachable";
    return out;
  }

  NodeLink& link_;
  const std::function<void(CommandOutcome)> done_;
};

std::function<void()> NodeLink::execute(node::v1::CommandRequest request, std::int64_t timeout_ms,
                                        std::function<void(CommandOutcome)> done) {
  auto context = std::make_shared<grpc::ClientContext>();
  ConnectionPtr now;
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && up_) now = connection_;
    if (now) calls_.insert(context);
  }
  if (!now) {
    done({false, std::nullopt,
          make_error(Code::unavailable, "host " + name() + " can't be reached", "node-unreachable")});
    return [] {};
  }
  prepare(*context);
  context->set_deadline(in_ms(timeout_ms));
  *request.mutable_authority() = now->authority;
  auto call = std::make_unique<Call>(*this, std::move(now), context, std::move(done));
  call->reader = call->connection->stub->AsyncExecute(context.get(), request, &calls_queue_.queue());
  Call* const raw = call.release();  // the queue's from here on
  raw->reader->Finish(&raw->reply, &raw->status, static_cast<CallQueue::Tag*>(raw));
  return [context] { context->TryCancel(); };
}

bool NodeLink::knows(std::string_view feature) const {
  const ConnectionPtr now = connection();
  return now && now->features.contains(feature);
}

Result<Counters> NodeLink::counters(const std::string& vm_id, std::int64_t timeout_ms) {
  const ConnectionPtr now = connection();
  if (!now) return make_error(Code::unavailable, "host " + name() + " can't be reached", "node-unreachable");
  grpc::ClientContext context;
  prepare(context);
  context.set_deadline(in_ms(timeout_ms));
  node::v1::VmRequest request;
  *request.mutable_authority() = now->authority;
  request.set_vm(vm_id);
  node::v1::CountersReply reply;
  if (const grpc::Status status = now->stub->Counters(&context, request, &reply); !status.ok()) return to_error(status);
  return decode<Counters>(std::string_view(reply.counters()), Unknown::ignore);
}

Result<VmSpec> NodeLink::resolve(const core::StartCommand& command, std::int64_t timeout_ms) {
  const ConnectionPtr now = connection();
  if (!now) return make_error(Code::unavailable, "host " + name() + " can't be reached", "node-unreachable");
  grpc::ClientContext context;
  prepare(context);
  context.set_deadline(in_ms(timeout_ms));
  node::v1::ResolveRequest request;
  *request.mutable_authority() = now->authority;
  request.set_document(encode(command));
  node::v1::ResolveReply reply;
  if (const grpc::Status status = now->stub->Resolve(&context, request, &reply); !status.ok()) return to_error(status);
  return decode<VmSpec>(std::string_view(reply.resolved()), Unknown::ignore);
}

Result<std::string> NodeLink::read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) {
  const ConnectionPtr now = connection();
  if (!now) return make_error(Code::unavailable, "host " + name() + " can't be reached", "node-unreachable");
  grpc::ClientContext context;
  prepare(context);
  context.set_deadline(in_ms(timeout_ms));
  node::v1::VmRequest request;
  *request.mutable_authority() = now->authority;
  request.set_vm(vm_id);
  node::v1::VmmLogReply reply;
  if (const grpc::Status status = now->stub->ReadVmmLog(&context, request, &reply); !status.ok())
    return to_error(status);
  return reply.tail();
}

Status NodeLink::read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                              const std::function<bool(std::string_view)>& sink,
                              std::shared_ptr<grpc::ClientContext> given) {
  const ConnectionPtr now = connection();
  if (!now) return make_error(Code::unavailable, "host " + name() + " can't be reached", "node-unreachable");
  const auto owned = given ? std::move(given) : std::make_shared<grpc::ClientContext>();
  grpc::ClientContext& context = *owned;
  prepare(context);
  if (!follow) context.set_deadline(in_ms(30'000));
  node::v1::ConsoleRequest request;
  *request.mutable_authority() = now->authority;
  request.set_vm(vm_id);
  request.set_tail_bytes(tail_bytes);
  request.set_follow(follow);
  auto reader = now->stub->ReadConsole(&context, request);
  node::v1::ConsoleChunk chunk;
  while (reader->Read(&chunk)) {
    if (sink(chunk.data())) continue;
    context.TryCancel();
    break;
  }
  const grpc::Status status = reader->Finish();
  if (status.ok() || status.error_code() == grpc::StatusCode::CANCELLED) return Ok{};
  return to_error(status);
}

}  // namespace qarax::server
