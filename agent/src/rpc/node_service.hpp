// qarax.node.v1 over gRPC's callback API: only code mapping, authority and deadlines. VmManager does the work, and
// LiveCalls holds the calls that go on.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "authority.hpp"
#include "live_calls.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/once_a_second.hpp"
#include "qarax/core/worker_pool.hpp"
#include "qarax/node/v1/node.grpc.pb.h"
#include "vm_manager.hpp"

namespace qarax::agent {

class NodeService final : public node::v1::Node::CallbackService {
 public:
  struct Options {
    std::string session;
    std::string token_sha256;  // empty: no token is required
    // Less than one second: after an idle second gRPC's callback threads would sleep for 100 ms before they see a call.
    // The heartbeat keeps one awake.
    std::int64_t heartbeat_ms = 400;
    std::int64_t first_message_ms = 10'000;  // a stream must send its first message by then
    std::size_t most_asking = 64;            // so much of ask()'s work may be under way before more of it waits
    std::size_t most_questions = 256;        // this many calls may hang in plugins before further ones wait
  };
  using DescribeNode = std::function<core::NodeInfo()>;  // any thread, quick

  NodeService(VmManager& vms, AuthorityStore& authority, DescribeNode describe, Options options);
  ~NodeService() override;

  // A plugin has described itself anew: tells every watcher. Any thread; only enqueues.
  void node_changed() { live_.node_changed(); }
  // For work that may block on a disk or a supervisor, and waits for no plugin. Any thread; only enqueues.
  void ask(std::function<void()> work) { asking_.post(std::move(work)); }
  // Ends every stream. Call it before grpc::Server::Shutdown, which would wait for them.
  void end_streams() { live_.end_all(); }

  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* context, const node::v1::HelloRequest* request,
                                  node::v1::HelloReply* reply) override;
  // node_commands.cpp
  grpc::ServerUnaryReactor* Execute(grpc::CallbackServerContext* context, const node::v1::CommandRequest* request,
                                    node::v1::CommandReply* reply) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const node::v1::CancelRequest* request,
                                   node::v1::CancelReply* reply) override;
  grpc::ServerUnaryReactor* Keep(grpc::CallbackServerContext* context, const node::v1::KeepRequest* request,
                                 node::v1::KeepReply* reply) override;
  // node_service.cpp
  grpc::ServerUnaryReactor* Inspect(grpc::CallbackServerContext* context, const node::v1::VmRequest* request,
                                    node::v1::VmReply* reply) override;
  grpc::ServerUnaryReactor* Counters(grpc::CallbackServerContext* context, const node::v1::VmRequest* request,
                                     node::v1::CountersReply* reply) override;
  grpc::ServerUnaryReactor* Resolve(grpc::CallbackServerContext* context, const node::v1::ResolveRequest* request,
                                    node::v1::ResolveReply* reply) override;
  grpc::ServerUnaryReactor* ReadVmmLog(grpc::CallbackServerContext* context, const node::v1::VmRequest* request,
                                       node::v1::VmmLogReply* reply) override;
  grpc::ServerWriteReactor<node::v1::Event>* Watch(grpc::CallbackServerContext* context,
                                                   const node::v1::WatchRequest* request) override;
  grpc::ServerWriteReactor<node::v1::ConsoleChunk>* ReadConsole(grpc::CallbackServerContext* context,
                                                                const node::v1::ConsoleRequest* request) override;
  grpc::ServerBidiReactor<node::v1::ConsoleInput, node::v1::ConsoleChunk>* AttachConsole(
      grpc::CallbackServerContext* context) override;
  // survey.cpp
  grpc::ServerUnaryReactor* Survey(grpc::CallbackServerContext* context, const node::v1::SurveyRequest* request,
                                   node::v1::SurveyReply* reply) override;
  grpc::ServerUnaryReactor* Adopt(grpc::CallbackServerContext* context, const node::v1::AdoptRequest* request,
                                  node::v1::AdoptReply* reply) override;
  grpc::ServerUnaryReactor* Leftovers(grpc::CallbackServerContext* context, const node::v1::LeftoversRequest* request,
                                      node::v1::LeftoversReply* reply) override;
  grpc::ServerUnaryReactor* StopGuests(grpc::CallbackServerContext* context, const node::v1::StopGuestsRequest* request,
                                       node::v1::StopGuestsReply* reply) override;
  bool host_stops() const { return host_stops_.load(); }

  // For the reactors.
  Status admit(const grpc::CallbackServerContext& context, const node::v1::Authority& authority) const;
  Status authenticate(const grpc::CallbackServerContext& context) const;
  VmManager& vms() { return vms_; }
  std::int64_t first_message_ms() const { return options_.first_message_ms; }
  LiveCalls& live_calls() { return live_; }

 private:
  void end_other_watchers(const AuthorityClaim& obeyed);

  VmManager& vms_;
  AuthorityStore& authority_;
  DescribeNode describe_;
  Options options_;

  mutable core::OnceASecond refused_;  // limits the log of refused credentials
  std::atomic<bool> host_stops_{false};
  LiveCalls live_;  // outlives the pools, whose work uses it
  core::WorkerPool asking_;
  core::WorkerPool questions_;  // calls that wait for a plugin, which may hang
  core::WorkerPool guests_;     // for the host's shutdown, which must not wait behind hung plugin calls
};

}  // namespace qarax::agent
