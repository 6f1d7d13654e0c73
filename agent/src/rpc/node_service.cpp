#include "node_service.hpp"

#include "bearer.hpp"
#include "console_reactor.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"
#include "records.hpp"
#include "unary.hpp"
#include "watch_reactor.hpp"

namespace qarax::agent {

namespace {

constexpr int kProtocol = 1;

template <class Chunk>
class RefuseStream final : public grpc::ServerWriteReactor<Chunk> {
 public:
  explicit RefuseStream(const Error& error) { this->Finish(to_status(error)); }
  void OnDone() override { delete this; }
};

}  // namespace

NodeService::NodeService(VmManager& vms, AuthorityStore& authority, DescribeNode describe, Options options)
    : vms_(vms),
      authority_(authority),
      describe_(std::move(describe)),
      options_(std::move(options)),
      live_(std::chrono::milliseconds(options_.heartbeat_ms),
            [this] {
              node::v1::Event event;
              event.set_node_info(encode(describe_()));
              return event;
            }),
      asking_("ask", 1, options_.most_asking),
      questions_("question", 1, options_.most_questions),
      guests_("guests", 0, 1) {
  vms_.on_progress(
      [this](const core::CommandProgress& progress) { live_.progressed(progress.vm, event_of(progress)); });
}

NodeService::~NodeService() {
  vms_.on_progress(nullptr);
  asking_.stop();
  questions_.stop();
  guests_.stop();
}

// A server that is no longer obeyed must not go on believing that it sees and commands this node.
void NodeService::end_other_watchers(const AuthorityClaim& obeyed) {
  live_.end_watches_except(obeyed,
                           to_status(make_error(Code::aborted,
                                                "another server was greeted meanwhile: the node obeys term " +
                                                    std::to_string(obeyed.term) + " of cluster " + obeyed.cluster_id,
                                                "stale-term")));
}

Status NodeService::authenticate(const grpc::CallbackServerContext& context) const {
  // By its mode, only the agent's own user and the configured group can connect to the unix socket.
  if (options_.token_sha256.empty() || context.peer().starts_with("unix:")) return Ok{};
  const auto found = context.client_metadata().find("authorization");
  const bool none = found == context.client_metadata().end();
  Status checked = check_bearer(
      none ? std::string_view() : std::string_view(found->second.data(), found->second.size()), options_.token_sha256);
  if (checked) return checked;
  if (const auto left_out = refused_.pass(plugin::monotonic_ns()))
    core::logger("node")->warn("a caller's credentials are refused peer={} credentials={} left_out={}",
                               core::log_value(context.peer()), none ? "none" : "not_accepted", *left_out);
  return checked;
}

Status NodeService::admit(const grpc::CallbackServerContext& context, const node::v1::Authority& authority) const {
  QARAX_CHECK(authenticate(context));
  QARAX_CHECK(authority_.check(claim_of(authority)));
  if (authority.session() != options_.session)
    return make_error(Code::failed_precondition,
                      "the node agent was restarted (session " + options_.session + "); greet it again",
                      "stale-session");
  authority_.reached(claim_of(authority), authority.position());
  return Ok{};
}

grpc::ServerUnaryReactor* NodeService::Hello(grpc::CallbackServerContext* context,
                                             const node::v1::HelloRequest* request, node::v1::HelloReply* reply) {
  const auto greet = [&]() -> Status {
    QARAX_CHECK(authenticate(*context));
    if (request->min_protocol() > kProtocol || request->protocol() < kProtocol)
      return make_error(Code::failed_precondition,
                        "the server speaks protocols " + std::to_string(request->min_protocol()) + " to " +
                            std::to_string(request->protocol()) + ", this node protocol " + std::to_string(kProtocol) +
                            "; upgrade the older of the two",
                        "protocol");
    core::NodeInfo info = describe_();
    if (!request->expected_node_id().empty() && request->expected_node_id() != info.node_id)
      return make_error(
          Code::failed_precondition,
          "this is node " + info.node_id + ", the server expected " + request->expected_node_id() + " at this address",
          "other-node");
    const AuthorityClaim claim = claim_of(request->authority());
    QARAX_TRY(const auto obeyed, authority_.greet(claim));
    authority_.reached(claim, request->authority().position());
    if (obeyed.last_activation != claim.activation) end_other_watchers(claim);
    reply->set_protocol(kProtocol);
    reply->set_min_protocol(kProtocol);
    for (const std::string_view feature : core::kFeatures) reply->add_features(std::string(feature));
    reply->set_session(options_.session);
    reply->set_last_activation(obeyed.last_activation);
    reply->set_highest_term(obeyed.highest_term);
    reply->set_node_info(encode(info));
    return Ok{};
  };
  return finish(context, greet());
}

grpc::ServerUnaryReactor* NodeService::Inspect(grpc::CallbackServerContext* context, const node::v1::VmRequest* request,
                                               node::v1::VmReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  if (!core::is_uuid(request->vm())) return finish(context, make_error(Code::invalid_argument, "vm must be a UUID"));
  auto* reactor = context->DefaultReactor();
  questions_.post([this, reactor, reply, vm = request->vm(), deadline = monotonic_deadline(context->deadline())] {
    reply->set_report(encode(vms_.inspect(vm, deadline)));
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::Counters(grpc::CallbackServerContext* context,
                                                const node::v1::VmRequest* request, node::v1::CountersReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  if (!core::is_uuid(request->vm())) return finish(context, make_error(Code::invalid_argument, "vm must be a UUID"));
  auto* reactor = context->DefaultReactor();
  questions_.post([this, reactor, reply, vm = request->vm(), deadline = monotonic_deadline(context->deadline())] {
    const auto counters = vms_.counters(vm, deadline);
    if (counters) reply->set_counters(encode(*counters, Defaults::write));
    reactor->Finish(counters ? grpc::Status::OK : to_status(counters.error()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::Resolve(grpc::CallbackServerContext* context,
                                               const node::v1::ResolveRequest* request, node::v1::ResolveReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  auto* reactor = context->DefaultReactor();
  questions_.post(
      [this, reactor, reply, document = request->document(), deadline = monotonic_deadline(context->deadline())] {
        const auto resolved = vms_.resolve(document, deadline);
        if (resolved) reply->set_resolved(encode(*resolved));
        reactor->Finish(resolved ? grpc::Status::OK : to_status(resolved.error()));
      });
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::ReadVmmLog(grpc::CallbackServerContext* context,
                                                  const node::v1::VmRequest* request, node::v1::VmmLogReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  if (!core::is_uuid(request->vm())) return finish(context, make_error(Code::invalid_argument, "vm must be a UUID"));
  const auto dir = vms_.run_dir(request->vm());
  if (!dir) return finish(context, dir.error());
  reply->set_tail(vmm_log_tail(*dir));
  return finish(context, Ok{});
}

grpc::ServerWriteReactor<node::v1::Event>* NodeService::Watch(grpc::CallbackServerContext* context,
                                                              const node::v1::WatchRequest* request) {
  if (const Status admitted = admit(*context, request->authority()); !admitted)
    return new RefuseStream<node::v1::Event>(admitted.error());
  auto* reactor = new WatchReactor(vms_, live_, options_.session, claim_of(request->authority()));
  const bool goes_on = live_.add_watch(*reactor);  // gRPC calls the reactor back only after this function has returned
  if (goes_on) reactor->begin();
  // The new watcher hears of the commands under way now: their progress may not change for a while. No lock is held
  // while the progress is asked for, because its listener takes that of the live calls under its own.
  if (goes_on) reactor->begin_progress(vms_.progress());
  // A greeting that came in between has ended the streams of other servers, but this one wasn't among them yet.
  if (const Status still = authority_.check(reactor->claim()); !still) reactor->end(to_status(still.error()));
  // Tell what has changed since the greeting, when there was no stream yet to tell it on.
  if (goes_on) node_changed();
  return reactor;
}

grpc::ServerWriteReactor<node::v1::ConsoleChunk>* NodeService::ReadConsole(grpc::CallbackServerContext* context,
                                                                           const node::v1::ConsoleRequest* request) {
  using Refuse = RefuseStream<node::v1::ConsoleChunk>;
  if (const Status admitted = admit(*context, request->authority()); !admitted) return new Refuse(admitted.error());
  if (!core::is_uuid(request->vm())) return new Refuse(make_error(Code::invalid_argument, "vm must be a UUID"));
  const auto dir = vms_.run_dir(request->vm());
  if (!dir) return new Refuse(dir.error());
  // If the VM has ended, its log gets no more output and is read like any other.
  if (request->follow() && is_console_open(*dir)) {
    auto* reactor = new FollowReactor(*this);
    reactor->open(*request);
    live_.add_console(*reactor);  // gRPC calls the reactor back only after this function has returned
    return reactor;
  }
  auto* reactor = new ReadConsoleReactor;
  ask([reactor, dir = *dir, tail_bytes = request->tail_bytes()] { reactor->begin(dir, tail_bytes); });
  return reactor;
}

grpc::ServerBidiReactor<node::v1::ConsoleInput, node::v1::ConsoleChunk>* NodeService::AttachConsole(
    grpc::CallbackServerContext* context) {
  auto* reactor = new AttachReactor(*this, context);
  // The first message names the VM and the caller. A caller without the token is refused before it is read.
  if (const Status known = authenticate(*context); !known)
    reactor->end(to_status(known.error()));
  else
    reactor->begin();
  live_.add_console(*reactor);
  return reactor;
}

}  // namespace qarax::agent
