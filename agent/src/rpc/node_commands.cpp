// The calls that change VMs: a job's step, its cancel, and what the server stores about a VM.
#include "execute_reactor.hpp"
#include "node_service.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/node/v1/actions.hpp"
#include "unary.hpp"

namespace qarax::agent {

namespace {

Result<core::Action> action_of(node::v1::Action code) {
  if (const auto action = node::v1::from_proto(code)) return *action;
  return make_error(Code::unimplemented,
                    "this node doesn't know action " + std::to_string(static_cast<int>(code)) + "; upgrade it",
                    "node-outdated");
}

}  // namespace

grpc::ServerUnaryReactor* NodeService::Execute(grpc::CallbackServerContext* context,
                                               const node::v1::CommandRequest* request, node::v1::CommandReply* reply) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  auto action = action_of(request->action());
  if (!action) return finish(context, action.error());
  if (!core::is_uuid(request->vm()))
    return finish(context, make_error(Code::invalid_argument, "a command's vm must be a UUID"));
  Command command{request->vm(),
                  request->incarnation(),
                  request->revision(),
                  request->step(),
                  *action,
                  request->request_id(),
                  monotonic_deadline(context->deadline()),
                  request->document()};
  using CallEnd = ExecuteReactor::CallEnd;
  auto* reactor = new ExecuteReactor(request->outlives_call() ? CallEnd::leaves_alone : CallEnd::cancels, reply);
  reactor->begin(vms_, std::move(command));
  return reactor;
}

grpc::ServerUnaryReactor* NodeService::Cancel(grpc::CallbackServerContext* context,
                                              const node::v1::CancelRequest* request, node::v1::CancelReply*) {
  if (const Status admitted = admit(*context, request->authority()); !admitted) return finish(context, admitted);
  if (!core::is_uuid(request->vm())) return finish(context, make_error(Code::invalid_argument, "vm must be a UUID"));
  const bool found = vms_.cancel(request->vm(), request->revision());
  core::logger("node")->debug("cancel vm={} revision={} under_way={} request={}", request->vm(), request->revision(),
                              found, core::log_value(request->request_id()));
  return finish(context, Ok{});
}

grpc::ServerUnaryReactor* NodeService::Keep(grpc::CallbackServerContext* context, const node::v1::KeepRequest* request,
                                            node::v1::KeepReply*) {
  const auto keep = [&]() -> Status {
    QARAX_CHECK(admit(*context, request->authority()));
    if (!core::is_uuid(request->vm())) return make_error(Code::invalid_argument, "vm must be a UUID");
    QARAX_TRY(const auto words, json::parse(request->keep()));
    return vms_.keep(request->vm(),
                     {request->name(), RawJson{json::source_text(words, request->keep())}, request->edition()});
  };
  return finish(context, keep());
}

}  // namespace qarax::agent
