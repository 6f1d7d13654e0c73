// Which server the node obeys, what it stores, and how an operator changes that.
#include "node_service.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/call_args.hpp"
#include "unary.hpp"

namespace qarax::agent {

grpc::ServerUnaryReactor* NodeService::Survey(grpc::CallbackServerContext* context,
                                              const node::v1::SurveyRequest* request, node::v1::SurveyReply* reply) {
  if (const Status known = authenticate(*context); !known) return finish(context, known);
  if (request->has_authority()) authority_.reached(claim_of(request->authority()), request->authority().position());
  const auto [obeyed, position] = authority_.standing();
  reply->mutable_obeyed()->set_cluster_id(obeyed.cluster_id);
  reply->mutable_obeyed()->set_term(obeyed.term);
  reply->mutable_obeyed()->set_activation(obeyed.activation);
  reply->mutable_obeyed()->set_session(options_.session);
  reply->mutable_obeyed()->set_position(position);
  reply->set_node_info(encode(describe_()));
  if (!request->vms()) return finish(context, Ok{});
  auto* reactor = context->DefaultReactor();
  std::vector<std::string> deleted_of(request->deleted_of().begin(), request->deleted_of().end());
  ask([this, context, reactor, reply, deleted_of = std::move(deleted_of)] {
    // The caller has gone: don't let a repeated survey wait behind this one.
    if (context->IsCancelled()) return reactor->Finish(grpc::Status::CANCELLED);
    for (const core::KeptVm& vm : vms_.kept(deleted_of)) reply->add_vms(encode(vm));
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::Adopt(grpc::CallbackServerContext* context,
                                             const node::v1::AdoptRequest* request, node::v1::AdoptReply*) {
  const auto adopt = [&]() -> Status {
    QARAX_CHECK(authenticate(*context));
    const AuthorityClaim claim = claim_of(request->authority());
    QARAX_CHECK(authority_.adopt(claim, claim_of(request->seen())));
    core::logger("node")->warn("adopted: another server commands from now on cluster={} term={}", claim.cluster_id,
                               claim.term);
    end_other_watchers(claim);
    return Ok{};
  };
  return finish(context, adopt());
}

grpc::ServerUnaryReactor* NodeService::Leftovers(grpc::CallbackServerContext* context,
                                                 const node::v1::LeftoversRequest* request,
                                                 node::v1::LeftoversReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  auto* reactor = context->DefaultReactor();
  const std::vector<std::string> owned(request->owned().begin(), request->owned().end());
  ask([this, context, reactor, reply, owned, collect = request->collect()] {
    if (context->IsCancelled()) return reactor->Finish(grpc::Status::CANCELLED);
    for (const core::Leftover& one : vms_.leftovers(collect, owned)) reply->add_leftovers(encode(one, Defaults::write));
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::StopGuests(grpc::CallbackServerContext* context,
                                                  const node::v1::StopGuestsRequest* request,
                                                  node::v1::StopGuestsReply* reply) {
  if (!context->peer().starts_with("unix:"))
    return finish(context, make_error(Code::permission_denied, "only the host itself may say that it is going down"));
  core::logger("node")->warn("the host is going down: guests get the power button timeout_ms={}",
                             request->timeout_ms());
  // Set this first, so that no server restarts the guests that are about to end.
  host_stops_ = true;
  node_changed();
  auto* reactor = context->DefaultReactor();
  guests_.post([this, reactor, reply, timeout_ms = request->timeout_ms()] {
    const HostShutdown done = vms_.stop_guests(timeout_ms);
    reply->set_powered_off(done.powered_off);
    reply->set_killed(done.killed);
    reply->set_failed(done.failed);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace qarax::agent
