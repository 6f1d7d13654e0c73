// One server's event stream: a snapshot (begin, reports, end), then every change. Slow readers are cut off, not waited
// for.
#pragma once

#include <deque>
#include <mutex>

#include "node_service.hpp"

namespace qarax::agent {

node::v1::Event event_of(const core::VmReport& report);
node::v1::Event event_of(const core::CommandProgress& progress);

class WatchReactor final : public grpc::ServerWriteReactor<node::v1::Event> {
 public:
  WatchReactor(NodeService& service, AuthorityClaim claim) : service_(service), claim_(std::move(claim)) {}
  const AuthorityClaim& claim() const { return claim_; }
  void begin();                          // snapshot and subscription; once
  void enqueue(node::v1::Event event);   // any thread; only enqueues
  void end(const grpc::Status& status);  // any thread; once is enough

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void write_next();  // with mutex_ held
  void finish_if_idle();

  // What a reader may lag behind; the server then asks for a fresh snapshot, which is smaller than the backlog.
  static constexpr std::size_t kMaxBacklog = 65536;

  NodeService& service_;
  const AuthorityClaim claim_;  // of the server that watches
  std::mutex mutex_;
  std::deque<node::v1::Event> backlog_;
  std::int64_t seq_ = 0;
  std::uint64_t subscription_ = 0;
  bool subscribed_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool finished_ = false;
  grpc::Status status_;
};

}  // namespace qarax::agent
