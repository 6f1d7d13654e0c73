// One node, as the server talks to it: greets it, follows its events, sends it commands. One thread a link keeps the
// connection; commands are asynchronous.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "qarax/node/v1/node.grpc.pb.h"
#include "store.hpp"

namespace qarax::server {

struct NodeCredentials {
  std::string token;    // bearer token of the nodes; empty: none
  std::string ca_cert;  // PEM; empty: plain text
};

// What came of a command. `error` is the node's own word when `decided`, else why nothing is known of it.
struct CommandOutcome {
  bool decided = false;
  std::optional<core::VmReport> report;
  std::optional<Error> error;
};

class NodeLink {
 public:
  struct Events {
    std::function<void(const std::string& host_id)> up;                         // greeted, and its snapshot is applied
    std::function<void(const VmPtr& vm, const core::VmReport& report)> report;  // applied
  };

  NodeLink(HostPtr host, Store& store, NodeCredentials credentials, Events events);
  ~NodeLink();  // commands in flight end as not decided
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  bool is_up() const { return up_.load(); }
  // A fresh attempt now, not after the back-off; waits until up or `timeout_ms`.
  Status connect_now(std::int64_t timeout_ms);
  // The stream was silent for too long: cut it. Called regularly.
  void check_heartbeat();

  // `done` once, from a gRPC thread. The returned context may be cancelled while the command runs.
  std::shared_ptr<grpc::ClientContext> execute(node::v1::CommandRequest request, std::int64_t timeout_ms,
                                               std::function<void(CommandOutcome)> done);
  // The serial log, piece by piece on the calling thread, until the end, until `sink` says false, or until somebody
  // cancels `context` (a quiet guest gives `sink` no chance to say it); null: the call's own.
  Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                      const std::function<bool(std::string_view)>& sink,
                      std::shared_ptr<grpc::ClientContext> context = nullptr);

 private:
  struct Connection {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<node::v1::Node::Stub> stub;
    node::v1::Authority authority;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  void run();
  Result<ConnectionPtr> greet(const std::string& target, bool unix_socket, core::NodeInfo& info);
  Result<ConnectionPtr> connect(core::NodeInfo& info);
  std::string follow(const ConnectionPtr& connection);  // until the stream ends: why
  void prepare(grpc::ClientContext& context) const;
  ConnectionPtr connection() const;

  const HostPtr host_;
  Store& store_;
  const NodeCredentials credentials_;
  const Events events_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ConnectionPtr connection_;
  std::shared_ptr<grpc::ClientContext> stream_;
  std::string last_error_;
  bool stopping_ = false;
  bool hurry_ = false;
  std::uint64_t attempts_ = 0;
  std::atomic<bool> up_{false};
  std::atomic<std::int64_t> last_event_ns_{0};
  std::thread thread_;
};

}  // namespace qarax::server
