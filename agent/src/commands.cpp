#include "commands.hpp"

#include <grpcpp/grpcpp.h>

#include "identity.hpp"
#include "qarax/node/v1/node.grpc.pb.h"

namespace qarax::agent {

Result<std::string> rehome_node(const NodeConfig& config, bool moved) {
  QARAX_TRY(const core::Fd lock, lock_data_dir(config.data_dir));
  QARAX_TRY(const Rehomed done, rehome(config.data_dir, moved));
  if (moved) return "node " + done.node_id + " is at home in " + config.data_dir + " now; its VMs are as they were";
  std::string said = config.data_dir + " is node " + done.node_id +
                     " now and obeys the next server that greets it: register it there as a host of its own";
  if (!done.set_aside.empty()) said += ". What it knew of the original's VMs is in " + done.set_aside;
  return said;
}

Result<std::string> stop_guests(const NodeConfig& config, std::int64_t timeout_ms) {
  constexpr std::int64_t kBeyondMs = 30'000;  // for the kills after the timeout, and a busy host
  if (config.unix_socket == "none")
    return make_error(Code::failed_precondition,
                      "listen.unix_socket is none: without it the agent can't be told that the host is going down");
  const auto stub =
      node::v1::Node::NewStub(grpc::CreateChannel("unix:" + config.unix_socket, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms + kBeyondMs));
  node::v1::StopGuestsRequest request;
  request.set_timeout_ms(timeout_ms);
  node::v1::StopGuestsReply reply;
  if (const grpc::Status status = stub->StopGuests(&context, request, &reply); !status.ok())
    return make_error(code_from_int(status.error_code()),
                      "the agent at " + config.unix_socket + " didn't stop its guests: " + status.error_message());
  const std::string said = std::to_string(reply.powered_off()) + " guests powered off, " +
                           std::to_string(reply.killed()) + " were killed after " + std::to_string(timeout_ms / 1000) +
                           " s";
  if (reply.failed() == 0) return said;
  return make_error(Code::internal, said + ", " + std::to_string(reply.failed()) + " could not be ended");
}

}  // namespace qarax::agent
