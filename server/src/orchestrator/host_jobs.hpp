// Requests to a host's node that aren't actions of a VM, as jobs: recorded before they begin, with the Idempotency-Key
// of their request, and ended with their result. Each may be carried out twice. So the next server takes up what this
// one left unfinished, a command that the node was too slow with is repeated, and no job stays open for good.
#pragma once

#include <string>
#include <vector>

#include "adopter.hpp"
#include "open_jobs.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

// Thread-safe. A repeated request with the same key gets the result of its job. UNAVAILABLE "shutting-down": the server
// ends, and the next one goes on with the job. DEADLINE_EXCEEDED: the node was told but didn't answer, in time or
// because the connection was lost; whether it did the job isn't known, and the job goes on.
class HostJobs {
 public:
  // Borrows all. `options`: how long a job is retried that goes on without its request; after that it has failed.
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator, OpenJobs::Options options);
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator);

  // Starts the background work: takes up the jobs that an earlier server left and those that this server's nodes were
  // too slow with.
  void start() { open_.start(); }
  // Ends the background work. False: a call to a node is still under way, whose end must be awaited.
  bool stop() { return open_.stop(); }

  // As the corresponding functions of Orchestrator and Adopter.
  Result<HostPtr> init(const std::string& host_id, std::int64_t wait_ms);
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan, std::int64_t wait_ms);
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id);
  Status remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t timeout_ms);
  Result<std::vector<core::Leftover>> collect(const std::string& host_id);
  // Like adopt(), but waits only until the job is recorded and the node has answered; the job goes on until the host is
  // up.
  Result<JobPtr> adopt_in_background(const std::string& host_id, const std::string& plan);
  // Runs init, remove_vm or collect as a job in the background. For a repeated request, returns the job as it is then.
  Result<JobPtr> in_background(HostAction action, const std::string& host_id, const std::string& vm_id);

 private:
  // Checks what can be checked at once, then records the job.
  Result<JobPtr> begin(HostAction action, const std::string& host_id, const std::string& vm_id = {});
  Result<JobPtr> claimed();
  Error not_ended(const std::string& job_id) const;
  void note_asked(const JobPtr& job, const std::string& detail);
  // Ends the job with the result of its work, or lets it go on in the background if it isn't decided yet.
  Status end(const std::string& job_id, const Status& done, const std::string& outcome = {});
  Error fail(const std::string& job_id, Error error);  // returns the error as it is stored with the job
  // Goes on with the job in the background. `why`: the reason for doing so without its request; empty: the request
  // wanted it.
  void take_up(const JobPtr& job, std::string why);
  bool resume(const Job& job, const std::string& why, bool last);

  // host_actions.cpp: what differs between actions, a row for each.
  struct Row {
    // Checks what can be checked at once, and completes what is recorded; null: there is nothing to do.
    Status (HostJobs::*prepare)(BeginHostJob& asked);
    // Goes on with a job that may have been begun before, by this server or an earlier one.
    Status (HostJobs::*carry_on)(const HostRecord& host, const Job& job, std::string& outcome);
    HostAction action;
    // Whether the job is tried again in the background when the node gave its waiting request no answer. Otherwise it
    // has failed then.
    bool may_be_repeated;
  };
  static const Row& row_of(HostAction action);
  Status prepare_removal(BeginHostJob& asked);
  Status prepare_collect(BeginHostJob& asked);
  // `outcome` gets the document that the job's request is answered with, where there is one.
  Status carry_on(const Job& job, std::string& outcome);
  Status carry_on_adopt(const HostRecord& host, const Job& job, std::string& outcome);
  Status carry_on_removal(const HostRecord& host, const Job& job, std::string& outcome);
  Status carry_on_collect(const HostRecord& host, const Job& job, std::string& outcome);
  Status connect(const HostRecord& host, const Job& job, std::string& outcome);

  Store& store_;
  Adopter& adopter_;
  Orchestrator& orchestrator_;
  OpenJobs open_;  // declared last: its attempts use the other members
};

}  // namespace qarax::server
