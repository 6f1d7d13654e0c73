// Brings jobs from the store to their nodes and back to their ends. A job is sent as soon as it is recorded, and again
// until its node has decided it: when the node comes back, and at each tick. A node that is sent the same job again
// answers as the first time.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "fleet.hpp"
#include "job_waiters.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/core/worker_pool.hpp"
#include "store.hpp"

namespace qarax::server {

// Thread-safe. No lock of its own is held while it calls anything else.
class Dispatcher {
 public:
  // The time for a node's answer, see Patience.
  struct Timeouts {
    std::int64_t start_ms = 0;
    std::int64_t snapshot_ms = 0;
    std::int64_t action_ms = 0;
  };
  // Borrows all. `waiters`: who waits for a job is told of its end there. Once a stop of `closing` is requested, no job
  // is sent any more. The fleet's threads and the pool call this object until both were stopped, the fleet first.
  Dispatcher(Store& store, const Fleet& nodes, JobWaiters& waiters, core::WorkerPool& pool, Timeouts timeouts,
             std::stop_token closing);

  // Sends the job to its VM's node. Does nothing while a call for it is in flight, the database is read-only, or the
  // host has no link. A job whose VM is gone has ended well.
  void send(const JobRecord& job);
  // The node is up: it is sent all that it may have missed.
  void send_all_of(const std::string& host_id);
  // Sends a job again that a lost reply or a node's refusal left open, or answers callers that wait for an unreachable
  // node.
  void look_after(const JobRecord& job);
  // The job was superseded by an action: answers its caller, and asks its node to cancel it.
  void put_aside(const std::string& job_id, core::Action by);
  bool cancel_at_node(const std::string& job_id);  // false: no call for this job is in flight

  // What nodes tell by themselves (Fleet::Events). A report ends a job whose reply was lost or is late, if it shows the
  // job's target state at the job's revision or a later one.
  void saw_report(const VmPtr& vm, const core::VmReport& report);
  void saw_progress(const std::string& host_id, const core::CommandProgress& progress);

 private:
  void note_sent(const JobRecord& job, const VmRecord& vm);
  void answered(const JobRecord& job, const CommandOutcome& outcome);
  void call_ended(const std::string& job_id);  // from now on the job may be sent again
  void decided(const JobRecord& job, const CommandOutcome& outcome);
  bool is_in_flight(const std::string& job_id) const;
  std::int64_t timeout_of(const JobRecord& job) const;

  Store& store_;
  const Fleet& nodes_;
  JobWaiters& waiters_;
  core::WorkerPool& pool_;
  const Timeouts timeouts_;
  const std::stop_token closing_;

  mutable std::mutex mutex_;
  std::map<std::string, std::function<void()>> in_flight_;  // functions that cancel calls in flight, by job id
};

}  // namespace qarax::server
