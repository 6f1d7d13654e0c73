// A gRPC server for a fake node, so that the server under test meets it like a real one.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
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
  void stop();   // also stops the node
  void start();  // on the same port
  // Also listens on a unix socket, which the node announces; `here`: as a node on this machine, else as one on another.
  void offer_unix_socket(const std::string& path, bool here);
  void skip_one();                                    // the next report is lost on its way, and its number is skipped
  void come_further(core::CommandProgress progress);  // sent with the next event
  // Reports of that VM are sent as this document from now on; empty: they aren't sent.
  void garble(const std::string& vm, std::string document);
  void garble_no_more(const std::string& vm);
  // Runs `then` once, after the next survey of all VMs is answered and before the answer is sent.
  void after_survey(std::function<void()> then);
  int watches() const { return watches_.load(); }  // number of event streams that were begun
  // Peer of the last command, in gRPC's form: "unix:…", "ipv4:…".
  std::string commanded_from() const;

  grpc::Status Hello(grpc::ServerContext*, const node::v1::HelloRequest*, node::v1::HelloReply*) override;
  grpc::Status Execute(grpc::ServerContext*, const node::v1::CommandRequest*, node::v1::CommandReply*) override;
  grpc::Status Cancel(grpc::ServerContext*, const node::v1::CancelRequest*, node::v1::CancelReply*) override;
  grpc::Status Keep(grpc::ServerContext*, const node::v1::KeepRequest*, node::v1::KeepReply*) override;
  grpc::Status Counters(grpc::ServerContext*, const node::v1::VmRequest*, node::v1::CountersReply*) override;
  grpc::Status Resolve(grpc::ServerContext*, const node::v1::ResolveRequest*, node::v1::ResolveReply*) override;
  // Prints a megabyte at once, much more than a client holds, and then nothing until it hangs up or ends its input.
  grpc::Status AttachConsole(grpc::ServerContext*,
                             grpc::ServerReaderWriter<node::v1::ConsoleChunk, node::v1::ConsoleInput>*) override;
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
  std::function<void()> after_survey_;
  std::vector<core::CommandProgress> progress_;
  std::map<std::string, std::string> garbled_;  // documents by VM
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace qarax::server
