// One server's event stream: a snapshot (begin, reports, end), then every change. A reader that is too slow is cut off.
#pragma once

#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "live_calls.hpp"
#include "qarax/node/v1/node.grpc.pb.h"
#include "vm_manager.hpp"

namespace qarax::agent {

node::v1::Event event_of(const core::VmReport& report);
node::v1::Event event_of(const core::CommandProgress& progress);

class WatchReactor final : public grpc::ServerWriteReactor<node::v1::Event>, public LiveWatch {
 public:
  // `session`: of this agent.
  WatchReactor(VmManager& vms, LiveCalls& live, std::string session, AuthorityClaim claim)
      : vms_(vms), live_(live), session_(std::move(session)), claim_(std::move(claim)) {}
  const AuthorityClaim& claim() const override { return claim_; }
  void begin();  // makes snapshot and subscription; call it once
  void enqueue(node::v1::Event event) override;
  // Progress is dropped where the reader lags behind: later progress replaces it.
  void enqueue_progress(const std::string& vm, const node::v1::Event& event) override;
  // Enqueues what was known when the stream began; call it once. A VM's progress that came meanwhile is newer.
  void begin_progress(const std::vector<core::CommandProgress>& known);
  void end(const grpc::Status& status) override;

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

  VmManager& vms_;
  LiveCalls& live_;
  const std::string session_;
  const AuthorityClaim claim_;
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
