// One node, as the server talks to it: greets it, follows its events, sends it commands. One thread a link keeps the
// connection; commands are asynchronous.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "call_queue.hpp"
#include "fleet.hpp"
#include "qarax/node/v1/node.grpc.pb.h"
#include "store.hpp"

namespace qarax::server {

struct NodeCredentials {
  std::string token;    // bearer token of the nodes; empty: none
  std::string ca_cert;  // PEM; empty: plain text
};

class NodeLink final : public NodeAccess {
 public:
  using Events = Fleet::Events;

  NodeLink(HostPtr host, Store& store, CallQueue& calls, NodeCredentials credentials, Events events);
  ~NodeLink() override;
  // Everything that waits for the node ends, commands in flight as not decided; nothing new begins.
  void interrupt();
  // interrupt(), and returns when no callback of this link's is to come.
  void stop();
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  bool is_up() const override { return up_.load(); }
  bool knows(std::string_view feature) const override;
  Status connect_now(std::int64_t timeout_ms) override;
  // The stream was silent for too long: it and the commands in flight are cut. Called regularly.
  void check_heartbeat();

  std::function<void()> execute(node::v1::CommandRequest request, std::int64_t timeout_ms,
                                std::function<void(CommandOutcome)> done) override;
  Result<Counters> counters(const std::string& vm_id, std::int64_t timeout_ms) override;
  Result<VmSpec> resolve(const core::StartCommand& command, std::int64_t timeout_ms) override;
  Result<std::string> read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) override;
  Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                      const std::function<bool(std::string_view)>& sink,
                      std::shared_ptr<grpc::ClientContext> context) override;
  // node_survey.cpp
  Result<NodeSurvey> survey(const std::vector<std::string>& deleted_of) override;
  Status adopt(const Activation& seen) override;
  Result<std::vector<core::Leftover>> leftovers(bool collect) override;
  void reconnect() override;

 private:
  struct Connection {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<node::v1::Node::Stub> stub;
    node::v1::Authority authority;
    std::set<std::string, std::less<>> features;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  class Call;

  void run();
  Result<ConnectionPtr> greet(const std::string& target, bool unix_socket, core::NodeInfo& info);
  Result<ConnectionPtr> connect(core::NodeInfo& info);
  std::string target() const;
  std::shared_ptr<grpc::Channel> channel_to(const std::string& target, bool unix_socket) const;
  Result<NodeSurvey> survey_over(node::v1::Node::Stub& stub, const node::v1::SurveyRequest& request);
  Status recognise(node::v1::Node::Stub& stub);
  Status check_identity(const core::NodeInfo& info) const;
  void look_for_set_back(const core::VmReport& report);
  std::string follow(const ConnectionPtr& connection);  // until the stream ends: why
  void prepare(grpc::ClientContext& context) const;
  std::string name() const;  // the host's, which may change
  void cancel_calls();       // with mutex_ held
  ConnectionPtr connection() const;

  const HostPtr host_;
  Store& store_;
  CallQueue& calls_queue_;
  const NodeCredentials credentials_;
  const Events events_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ConnectionPtr connection_;
  std::shared_ptr<grpc::ClientContext> greeting_;
  std::shared_ptr<grpc::ClientContext> stream_;
  std::set<std::shared_ptr<grpc::ClientContext>> calls_;    // commands in flight
  std::set<std::shared_ptr<grpc::ClientContext>> surveys_;  // and surveys, on their callers' threads
  Error last_error_;
  bool stopping_ = false;
  bool hurry_ = false;
  bool recognised_ = false;  // only the link's thread: it has greeted this node, which obeyed nobody else
  std::uint64_t attempts_ = 0;
  std::atomic<bool> up_{false};
  std::atomic<std::int64_t> last_event_ns_{0};  // far in the future while one is being handled
  std::thread thread_;
};

}  // namespace qarax::server
