// Asynchronous calls to a greeted node: commands and their cancels, what it must keep, probes.
#include "calls.hpp"
#include "node_link.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/node/v1/actions.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kCancelMs = 5'000;
constexpr std::int64_t kKeepMs = 5'000;
constexpr std::int64_t kProbeMs = 5'000;

// Whether the error is the command's result. A refusal of the whole call, or a broken connection, doesn't say what
// became of the VM.
bool is_decision(const Error& error) {
  return error.reason != "stale-session" && error.code != Code::unavailable && error.code != Code::deadline_exceeded &&
         error.code != Code::cancelled && error.code != Code::unknown && error.reason != "other-cluster" &&
         error.reason != "stale-term" && error.code != Code::unauthenticated;
}

// A job has one step, so its number is always 1.
node::v1::CommandRequest request_of(NodeCommand command) {
  node::v1::CommandRequest out;
  out.set_vm(std::move(command.vm));
  out.set_incarnation(command.incarnation);
  out.set_revision(command.revision);
  out.set_step(1);
  out.set_action(node::v1::to_proto(command.action));
  out.set_request_id(std::move(command.request_id));
  out.set_document(std::move(command.document));
  return out;
}

node::v1::CancelRequest cancel_of(const node::v1::Authority& authority, const std::string& vm, std::int64_t revision,
                                  const std::string& request_id) {
  node::v1::CancelRequest out;
  *out.mutable_authority() = authority;
  out.set_vm(vm);
  out.set_revision(revision);
  out.set_request_id(request_id);
  return out;
}

CommandOutcome outcome_of(const grpc::Status& status, const node::v1::CommandReply& reply) {
  CommandOutcome out;
  if (!status.ok()) {
    out.error = to_error(status);
    // An error of gRPC itself, without the node's Error in its details, isn't the node's answer.
    out.decided = decode_error(status.error_details()).has_value() && is_decision(*out.error);
    return out;
  }
  if (!reply.report().empty())
    if (auto report = read_report(reply.report())) out.report = std::move(*report);
  out.decided = true;
  if (reply.error().empty()) return out;
  out.error =
      read_error(reply.error()).value_or(make_error(Code::unknown, "the node's error can't be read", "node-protocol"));
  // The command is still going on there, or hasn't begun; the node will report its end later.
  out.decided = out.error->reason != "still-running" && out.error->reason != "recovering" &&
                out.error->reason != "node-unreachable";
  return out;
}

}  // namespace

// A call that is registered in calls_, from the moment it is made until `done` has run.
template <class Reply>
class NodeLink::InFlight final : public CallQueue::Tag {
 public:
  InFlight(NodeLink& link, ConnectionPtr over, ContextPtr with,
           std::function<void(const grpc::Status&, const Reply&)> done)
      : link_(link), connection_(std::move(over)), context_(std::move(with)), done_(std::move(done)) {}

  void wait_on(std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader) {
    reader_ = std::move(reader);
    reader_->Finish(&reply_, &status_, static_cast<CallQueue::Tag*>(this));  // `this` may be deleted from here on
  }
  void finished(bool) override {
    // Whatever `done_` throws must end here, because the link's end waits for this call.
    core::guarded("node-calls", [&] { done_(status_, reply_); });
    // Must come last: the link may be destroyed after this.
    const std::lock_guard lock(link_.mutex_);
    link_.calls_.erase(context_);
    link_.changed_.notify_all();
  }

 private:
  NodeLink& link_;
  const ConnectionPtr connection_;  // kept until the call is over
  const ContextPtr context_;
  const std::function<void(const grpc::Status&, const Reply&)> done_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> reader_;
  Reply reply_;
  grpc::Status status_;
};

template <class Request, class Reply>
void NodeLink::call(AsyncMethod<Request, Reply> method, const ConnectionPtr& over, const ContextPtr& context,
                    const Request& request, std::function<void(const grpc::Status&, const Reply&)> done) {
  // Owned by the queue, which deletes it.
  auto* const call = new InFlight<Reply>(*this, over, context, std::move(done));
  call->wait_on((over->stub.get()->*method)(context.get(), request, &calls_queue_.queue()));
}

Error NodeLink::not_connected() const {
  const std::lock_guard lock(mutex_);
  return unusable();
}

std::function<void()> NodeLink::execute(NodeCommand command, std::int64_t timeout_ms,
                                        std::function<void(CommandOutcome)> done) {
  auto context = std::make_shared<grpc::ClientContext>();
  ConnectionPtr now;
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && up_) now = connection_;
    if (now) calls_.insert(context);
  }
  if (!now) {
    done({false, std::nullopt, not_connected()});
    return [] {};
  }
  prepare(*context);
  context->set_deadline(in_ms(timeout_ms));
  node::v1::CommandRequest request = request_of(std::move(command));
  *request.mutable_authority() = authority_over(*now);
  request.set_outlives_call(now->features.contains(core::kFeatureCancel));
  call<node::v1::CommandRequest, node::v1::CommandReply>(
      &node::v1::Node::Stub::AsyncExecute, now, context, request,
      [done = std::move(done)](const grpc::Status& status, const node::v1::CommandReply& reply) {
        done(outcome_of(status, reply));
      });
  if (!request.outlives_call()) return [context] { context->TryCancel(); };
  return [weak = weak_from_this(), over = std::move(now),
          cancel = cancel_of(request.authority(), request.vm(), request.revision(), request.request_id())] {
    if (const auto link = weak.lock()) link->cancel_at_node(over, cancel);
  };
}

void NodeLink::cancel(const std::string& vm_id, std::int64_t revision, const std::string& request_id) {
  ConnectionPtr now;
  {
    const std::lock_guard lock(mutex_);
    if (up_) now = connection_;
  }
  if (now) cancel_at_node(now, cancel_of(authority_over(*now), vm_id, revision, request_id));
}

// The result shows as the command's end. If the cancel is lost, the caller must repeat it.
void NodeLink::cancel_at_node(const ConnectionPtr& over, const node::v1::CancelRequest& request) {
  auto context = std::make_shared<grpc::ClientContext>();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    calls_.insert(context);
  }
  prepare(*context);
  context->set_deadline(in_ms(kCancelMs));
  call<node::v1::CancelRequest, node::v1::CancelReply>(
      &node::v1::Node::Stub::AsyncCancel, over, context, request,
      [vm = request.vm()](const grpc::Status& status, const node::v1::CancelReply&) {
        if (!status.ok())
          core::logger("nodes")->warn("a cancel did not reach the node vm={} reason={}", vm,
                                      core::log_value(status.error_message()));
      });
}

void NodeLink::keep(const VmRecord& vm, const RawJson& words) {
  auto context = std::make_shared<grpc::ClientContext>();
  ConnectionPtr now;
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && up_) now = connection_;
    if (!now) return;
    calls_.insert(context);
  }
  prepare(*context);
  context->set_deadline(in_ms(kKeepMs));
  node::v1::KeepRequest request;
  *request.mutable_authority() = authority_over(*now);
  request.set_vm(vm.id);
  request.set_name(vm.name);
  request.set_keep(words.text);
  request.set_edition(vm.edition);
  call<node::v1::KeepRequest, node::v1::KeepReply>(
      &node::v1::Node::Stub::AsyncKeep, now, context, request,
      [vm_id = vm.id](const grpc::Status& status, const node::v1::KeepReply&) {
        if (!status.ok())
          core::logger("nodes")->debug("a node wasn't told what to keep vm={} reason={}", vm_id,
                                       core::log_value(status.error_message()));
      });
}

// The connection's authority. It carries this server's position while the server still has the activation that greeted
// the node.
node::v1::Authority NodeLink::authority_over(const Connection& connection) {
  node::v1::Authority out = connection.authority;
  const Progress progress = store_.progress();
  if (progress.activation.id != out.activation()) return out;
  out.set_position(progress.position);
  told_ = progress.position;
  return out;
}

// Checks that the node receives calls, and tells it this server's position. Any answer of the node counts, even
// UNIMPLEMENTED.
void NodeLink::probe(const ConnectionPtr& over, const ContextPtr& context) {
  prepare(*context);
  context->set_deadline(in_ms(kProbeMs));
  node::v1::SurveyRequest request;
  *request.mutable_authority() = authority_over(*over);
  call<node::v1::SurveyRequest, node::v1::SurveyReply>(
      &node::v1::Node::Stub::AsyncSurvey, over, context, request,
      [this, over](const grpc::Status& status, const node::v1::SurveyReply&) {
        const std::lock_guard lock(mutex_);
        probing_ = false;
        probed_ns_ = plugin::monotonic_ns();
        if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && over == connection_)
          cut("it answered nothing for " + std::to_string(kProbeMs / 1'000) + " s");
      });
}

bool NodeLink::knows(std::string_view feature) const {
  const ConnectionPtr now = connection();
  return now && now->features.contains(feature);
}

}  // namespace qarax::server
