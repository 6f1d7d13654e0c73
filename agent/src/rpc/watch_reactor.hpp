// One server's event stream: a snapshot (begin, reports, end), then every change. A reader that is too slow is cut off.
#pragma once

#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "node_service.hpp"

namespace qarax::agent {

node::v1::Event event_of(const core::VmReport& report);
node::v1::Event event_of(const core::CommandProgress& progress);

class WatchReactor final : public grpc::ServerWriteReactor<node::v1::Event> {
 public:
  WatchReactor(NodeService& service, AuthorityClaim claim) : service_(service), claim_(std::move(claim)) {}
  const AuthorityClaim& claim() const { return claim_; }
  void begin();                         // makes snapshot and subscription; call it once
  void enqueue(node::v1::Event event);  // any thread; only enqueues
  // Any thread; only enqueues. Progress is dropped where the reader lags behind: later progress replaces it.
  void enqueue_progress(const std::string& vm, const node::v1::Event& event);
  // Enqueues what was known when the stream began; call it once. A VM's progress that came meanwhile is newer.
  void begin_progress(const std::vector<core::CommandProgress>& known);
  void end(const grpc::Status& status);  // any thread; may be called again

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void write_next();  // the caller holds mutex_
  void finish_if_idle();

  // Events that a reader may lag behind. When it is cut off it asks for a new snapshot, which is smaller than the
  // backlog.
  static constexpr std::size_t kMaxBacklog = 65536;
  static constexpr std::size_t kMaxBeforeProgress = 1024;  // events that wait; behind more of them none is enqueued

  NodeService& service_;
  const AuthorityClaim claim_;  // of the server that watches
  std::mutex mutex_;
  std::deque<node::v1::Event> backlog_;
  bool has_progress_ = false;       // begin_progress() was called
  std::set<std::string> heard_of_;  // the VMs whose progress came before that
  std::int64_t seq_ = 0;
  std::uint64_t subscription_ = 0;
  bool subscribed_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool finished_ = false;
  grpc::Status status_;
};

}  // namespace qarax::agent
