// A fake node behind gRPC, as the server meets a real one.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fake_node.hpp"
#include "qarax/node/v1/node.grpc.pb.h"

namespace qarax::server {

class FakeNodeServer final : public node::v1::Node::Service {
 public:
  explicit FakeNodeServer(FakeNode& node);
  ~FakeNodeServer() override;
  int port() const { return port_; }
  void stop();   // the node's too
  void start();  // on the same port
  // On a unix socket too, which the node tells of; as one on this machine, or on another one.
  void offer_unix_socket(const std::string& path, bool here);
  void skip_one();                                    // the next report gets lost on its way, and its number with it
  void come_further(core::CommandProgress progress);  // told with the next event
  int watches() const { return watches_.load(); }     // how many event streams were begun
  // Where the last command came from, as gRPC says it: "unix:…", "ipv4:…".
  std::string commanded_from() const;

  grpc::Status Hello(grpc::ServerContext*, const node::v1::HelloRequest*, node::v1::HelloReply*) override;
  grpc::Status Execute(grpc::ServerContext*, const node::v1::CommandRequest*, node::v1::CommandReply*) override;
  grpc::Status Cancel(grpc::ServerContext*, const node::v1::CancelRequest*, node::v1::CancelReply*) override;
  grpc::Status Keep(grpc::ServerContext*, const node::v1::KeepRequest*, node::v1::KeepReply*) override;
  grpc::Status Counters(grpc::ServerContext*, const node::v1::VmRequest*, node::v1::CountersReply*) override;
  grpc::Status Resolve(grpc::ServerContext*, const node::v1::ResolveRequest*, node::v1::ResolveReply*) override;
  grpc::Status Watch(grpc::ServerContext*, const node::v1::WatchRequest*,
                     grpc::ServerWriter<node::v1::Event>*) override;
  grpc::Status Survey(grpc::ServerContext*, const node::v1::SurveyRequest*, node::v1::SurveyReply*) override;
  grpc::Status Adopt(grpc::ServerContext*, const node::v1::AdoptRequest*, node::v1::AdoptReply*) override;
  grpc::Status Leftovers(grpc::ServerContext*, const node::v1::LeftoversRequest*, node::v1::LeftoversReply*) override;

 private:
  void listen();

  FakeNode& node_;
  int port_ = 0;
  std::string unix_socket_;
  std::atomic<bool> skips_{false};
  std::atomic<int> watches_{0};
  mutable std::mutex mutex_;
  std::string commanded_from_;
  std::vector<core::CommandProgress> progress_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace qarax::server
