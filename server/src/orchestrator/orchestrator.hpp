// What users ask of VMs, made into jobs: recorded with the desired state, sent to the node, awaited. One job at a time
// per VM (the store's rule); a job that nobody decided stays open and is asked for again when its node is there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "decision.hpp"
#include "fleet.hpp"
#include "job_waiters.hpp"
#include "keeper.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/core/worker_pool.hpp"
#include "restarts.hpp"
#include "scheduler.hpp"
#include "store.hpp"

namespace qarax::server {

struct OrchestratorOptions {
  std::int64_t stop_timeout_ms = 30'000;  // what a guest gets after the power button
  std::int64_t start_timeout_ms = 120'000;
  std::int64_t snapshot_timeout_ms = 600'000;  // of taking or restoring one: as much as the VM's memory is written
  std::int64_t action_timeout_ms = 30'000;     // every other action at the node
  Retention retention{};                       // of what is removed in time
  Restarts::Options restarts{};
};

class Orchestrator {
 public:
  using Options = OrchestratorOptions;
  Orchestrator(Store& store, Fleet& nodes, Options options = {});
  ~Orchestrator();  // shutdown(0) where nobody called it

  // Links to all known hosts; jobs that an earlier server left are taken up as their nodes come.
  void start();
  // New work is refused, waiting callers are answered UNAVAILABLE with their job; VMs and jobs go on.
  void shutdown(std::int64_t grace_ms);
  bool is_closed() const { return closed_.load(); }

  // ALREADY_EXISTS "name-taken"; FAILED_PRECONDITION "no-host-fits", "hypervisor-unavailable" where no known host ever
  // could.
  Result<VmPtr> create(const NewVmInput& input);
  // Blocks the caller until the job is final: the VM then is what GET shows. Not for `remove`. FAILED_PRECONDITION
  // "unsupported-by-hypervisor", UNIMPLEMENTED "node-outdated" before anything is recorded.
  Result<VmPtr> act(const std::string& vm_id, core::Action action, const ActOptions& options);
  // UNAVAILABLE "node-unreachable" where a VM may run on a node that doesn't answer, unless `forget`: then a tombstone
  // stays, which the node is held to when it returns. The id of the job: with `respond_async` it goes on where its node
  // has to carry it out; empty where its end was waited for.
  Result<std::string> remove(const std::string& vm_id, bool forget, const ActOptions& options);

  // Ends a start or a stop: what it did is undone at the node, and the desired state is what it was before. Blocks
  // until the node has decided; the job as it then is, with `respond_async` as it is now. NOT_FOUND "job-not-found";
  // FAILED_PRECONDITION "job-finished" (also where it came to its end first), "not-cancellable"; UNAVAILABLE
  // "node-unreachable".
  Result<JobPtr> cancel(const std::string& job_id, const ActOptions& options);

  Result<HostPtr> add_host(const NewHostInput& input);
  // Connects now and answers the host once it is up, or why it isn't.
  Result<HostPtr> init_host(const std::string& host_id, std::int64_t timeout_ms);

 private:
  Result<VmPtr> outcome_of(const Job& job, const ActOptions& options);
  Result<BegunJob> begin(const std::string& vm_id, core::Action action, const ActOptions& options, VmPtr& unchanged);

  void send(const JobRecord& job);
  void note_sent(const JobRecord& job, const VmRecord& vm);
  bool cancel_at_node(const std::string& job_id);  // false: no call for it is in flight
  Error explained(Error said, const JobRecord& job, const std::string& vm_name) const;
  void put_aside(const std::string& job_id, core::Action by);
  void decided(const JobRecord& job, const CommandOutcome& outcome);
  void saw_report(const VmPtr& vm, const core::VmReport& report);
  void saw_progress(const std::string& host_id, const core::CommandProgress& progress);
  void host_up(const std::string& host_id);
  void enforce_tombstones(const std::string& host_id);
  void restart_what_ended();
  void tick();
  void ticks();
  void tidy();
  void do_chores();
  Error unreachable(const VmRecord& vm) const;
  std::int64_t timeout_of(const JobRecord& job) const;

  Store& store_;
  Fleet& nodes_;
  const Options options_;

  std::atomic<bool> closed_{false};
  JobWaiters waiters_;

  std::mutex mutex_;
  std::map<std::string, std::function<void()>> in_flight_;  // how to cancel it, by job
  std::set<std::string> burying_;                           // VMs whose tombstone's delete is in flight

  Promises promises_;

  Restarts restarts_;  // only do_chores()
  Keeper keeper_;      // only tick()
  std::atomic<bool> doing_chores_{false};
  std::atomic<bool> to_tidy_{false};

  std::mutex tick_mutex_;
  std::condition_variable tick_;
  bool stopping_ = false;
  core::WorkerPool pool_;
  std::thread thread_;
};

}  // namespace qarax::server
