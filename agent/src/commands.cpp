#include "commands.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <memory>

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

namespace {

using Clock = std::chrono::system_clock;

// The agent may just have been started, and not listen yet. Where none comes, the host's shutdown isn't held up for
// long: whoever gives the guests no time doesn't wait for the agent either.
Clock::time_point agent_comes_by(std::int64_t timeout_ms) {
  return Clock::now() + std::chrono::milliseconds(std::clamp<std::int64_t>(timeout_ms, 1'000, 20'000));
}

std::shared_ptr<grpc::Channel> channel_to(const std::string& unix_socket) {
  grpc::ChannelArguments soon;  // the usual pauses between two tries grow to minutes
  soon.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  soon.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  return grpc::CreateCustomChannel("unix:" + unix_socket, grpc::InsecureChannelCredentials(), soon);
}

}  // namespace

Result<std::string> stop_guests(const NodeConfig& config, std::int64_t timeout_ms) {
  constexpr std::int64_t kBeyondMs = 30'000;  // for the kills, and a busy host
  if (config.unix_socket == "none")
    return make_error(Code::failed_precondition,
                      "listen.unix_socket is none: without it the agent can't be told that the host is going down");
  const auto comes_by = agent_comes_by(timeout_ms);
  const auto channel = channel_to(config.unix_socket);
  const auto stub = node::v1::Node::NewStub(channel);
  node::v1::StopGuestsRequest request;
  request.set_timeout_ms(timeout_ms);
  node::v1::StopGuestsReply reply;
  grpc::Status status;
  do {
    channel->WaitForConnected(comes_by);
    grpc::ClientContext context;
    // From here on, because the wait for the agent takes nothing of the guests' time, nor of that for the kills.
    context.set_deadline(Clock::now() + std::chrono::milliseconds(timeout_ms + kBeyondMs));
    status = stub->StopGuests(&context, request, &reply);
    // Nobody has answered, or an agent that was about to end; the next one may come.
  } while (status.error_code() == grpc::StatusCode::UNAVAILABLE && Clock::now() < comes_by);
  if (!status.ok())
    return make_error(code_from_int(status.error_code()),
                      "the agent at " + config.unix_socket + " didn't stop its guests: " + status.error_message());
  const std::string said = std::to_string(reply.powered_off()) + " guests powered off, " +
                           std::to_string(reply.killed()) + " were killed after " + std::to_string(timeout_ms / 1000) +
                           " s";
  if (reply.failed() == 0) return said;
  return make_error(Code::internal, said + ", " + std::to_string(reply.failed()) + " could not be ended");
}

}  // namespace qarax::agent
