// Turns users' requests on VMs into jobs: recorded together with the desired state, sent to the node, awaited. One job
// at a time per VM (the store enforces that). A job without a result stays open and is sent again when its node is
// there. What goes on behind the requests is done by the parts: Dispatcher, Undertaker, Restarter, Chores.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "burials.hpp"
#include "chores.hpp"
#include "decision.hpp"
#include "dispatcher.hpp"
#include "fleet.hpp"
#include "job_waiters.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/core/worker_pool.hpp"
#include "restarter.hpp"
#include "restarts.hpp"
#include "store.hpp"
#include "undertaker.hpp"

namespace qarax::server {

struct OrchestratorOptions {
  std::int64_t stop_timeout_ms = 30'000;  // time for the guest to shut down after the power button
  std::int64_t start_timeout_ms = 120'000;
  std::int64_t snapshot_timeout_ms = 600'000;  // for taking or restoring one: the VM's memory is written or read
  std::int64_t action_timeout_ms = 30'000;     // every other action at the node
  Retention retention{};                       // how long old data is kept
  Restarts::Options restarts{};
  Burials::Options burials{};
};

// Thread-safe.
class Orchestrator {
 public:
  using Options = OrchestratorOptions;
  // Borrows both, and listens to the fleet's events from here on.
  Orchestrator(Store& store, Fleet& nodes, const Options& options = {});
  ~Orchestrator();  // calls shutdown(0) if nobody did

  // Connects to all known hosts; jobs that an earlier server left are taken up as their nodes come.
  void start();
  // Refuses new work, and answers waiting callers UNAVAILABLE with their job after at most `grace_ms`. VMs and jobs go
  // on.
  void shutdown(std::int64_t grace_ms);
  bool is_closed() const { return closing_.stop_requested(); }

  // ALREADY_EXISTS "name-taken"; FAILED_PRECONDITION "no-host-fits" or "hypervisor-unavailable": no known host could
  // ever run it.
  Result<VmPtr> create(const NewVmInput& input);
  // Blocks the caller until the job is final; returns the VM as GET then shows it. Not for `remove`.
  // FAILED_PRECONDITION "unsupported-by-hypervisor" and UNIMPLEMENTED "node-outdated" come before anything is recorded.
  Result<VmPtr> act(const std::string& vm_id, core::Action action, const ActOptions& options);
  // UNAVAILABLE "node-unreachable": the VM may run on a node that doesn't answer. With `forget` the record is removed
  // all the same, and a tombstone makes the node delete the VM when it returns. Returns the job's id if the job goes on
  // (`respond_async`, and its node must carry it out) or completed at once; empty: the job's end was awaited.
  Result<std::string> remove(const std::string& vm_id, bool forget, const ActOptions& options);

  // Cancels a job (can_be_cancelled()): what it did is undone at the node, and the desired state becomes what it was
  // before. Blocks until the node has decided and returns the job as it then is; with `respond_async` returns it as it
  // is now. NOT_FOUND "job-not-found"; FAILED_PRECONDITION "job-finished" (also if the job ended before the cancel took
  // effect), "not-cancellable"; UNAVAILABLE "node-unreachable".
  Result<JobPtr> cancel(const std::string& job_id, const ActOptions& options);

  Result<HostPtr> add_host(const NewHostInput& input);
  // Connects now. Returns the host once it is up, or the error that keeps it from being up.
  Result<HostPtr> init_host(const std::string& host_id, std::int64_t timeout_ms);

 private:
  Result<VmPtr> outcome_of(const Job& job, const ActOptions& options);
  Result<BegunJob> begin(const std::string& vm_id, core::Action action, const ActOptions& options, VmPtr& unchanged);

  void host_up(const std::string& host_id);  // on the pool
  Status start_by_policy(const std::string& vm_id);

  Store& store_;
  Fleet& nodes_;
  const std::int64_t stop_timeout_ms_;

  std::stop_source closing_;
  JobWaiters waiters_;
  Promises promises_;
  // Each of these refers only to members above it. Calls go the other way too: the pool's work and the fleet's threads
  // call the parts. No order of destruction would do for that, so shutdown() ends every thread while all members exist.
  core::WorkerPool pool_;
  Dispatcher dispatcher_;
  Undertaker undertaker_;
  Restarter restarter_;
  Chores chores_;
};

}  // namespace qarax::server
