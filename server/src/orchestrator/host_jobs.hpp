// What is asked of a host's node and is no VM's action, as jobs: recorded before it begins, with the Idempotency-Key of
// its request, and ended with what came of it. Each may be carried out twice, so that what a server left unfinished is
// taken up by the next one, what the node was too slow with is asked for again, and nothing stays open for good.
#pragma once

#include <string>
#include <vector>

#include "adopter.hpp"
#include "open_jobs.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

// Thread-safe. A request that is made again with its key has the answer of its job. UNAVAILABLE "shutting-down" where
// the server ends meanwhile: the job goes on under the next one. DEADLINE_EXCEEDED where the node was told and
// gave no answer, for want of time or of a connection: whether it did it isn't known, and the job goes on.
class HostJobs {
 public:
  // Borrows all. `options`: of what goes on without its request; what isn't done by then has failed.
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator, OpenJobs::Options options);
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator);

  // Takes up what an earlier server left and what this one's nodes are too slow with, in the background.
  void start() { open_.start(); }
  // Ends that. False: a node is still being waited for, and its end would have to be.
  bool stop() { return open_.stop(); }

  // As Orchestrator's and Adopter's calls of these names.
  Result<HostPtr> init(const std::string& host_id, std::int64_t wait_ms);
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan, std::int64_t wait_ms);
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id);
  Status remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t timeout_ms);
  Result<std::vector<core::Leftover>> collect(const std::string& host_id);
  // adopt() that waits for nothing but its record and the node's word; its job goes on until the host is up.
  Result<JobPtr> adopt_in_background(const std::string& host_id, const std::string& plan);
  // init, remove_vm or collect as a job that goes on in the background; as it then is, where its request is made again.
  Result<JobPtr> in_background(std::string_view action, const std::string& host_id, const std::string& vm_id);

 private:
  // What is plain to see stands in its way first; then it is recorded.
  Result<JobPtr> begin(std::string_view action, const std::string& host_id, const std::string& vm_id = {});
  Result<JobPtr> claimed();
  Error not_ended(const std::string& job_id) const;
  void note_asked(const JobPtr& job, const std::string& detail);
  // The end of a job that has begun, with what its work came to, or how it goes on.
  Status end(const std::string& job_id, const Status& done, const std::string& outcome = {});
  Error fail(const std::string& job_id, Error error);  // that error, as its job keeps it
  // `why` it goes on without its request; empty: as that wanted.
  void take_up(const JobPtr& job, std::string why);
  bool resume(const Job& job, const std::string& why, bool last);
  Status carry_on(const Job& job, std::string& outcome);

  Store& store_;
  Adopter& adopter_;
  Orchestrator& orchestrator_;
  OpenJobs open_;  // the last: its attempts use the others
};

}  // namespace qarax::server
