// What is asked of a host's node and is no VM's action, as jobs: recorded before it begins, with the Idempotency-Key of
// its request, and ended with what came of it. Each may be carried out twice, so that what a server left unfinished is
// taken up by the next one, and nothing stays open for good.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "adopter.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

// Thread-safe. A request that is made again with its key has the answer of its job. UNAVAILABLE "shutting-down" where
// the server ends meanwhile: the job goes on under the next one.
class HostJobs {
 public:
  struct Options {
    std::int64_t resume_for_ms = 60'000;  // what isn't to be done by then, such as at a host that is away, has failed
    std::int64_t resume_every_ms = 250;
  };
  // Borrows all.
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator, Options options);
  HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator);
  ~HostJobs();

  // Takes up what an earlier server left, in the background.
  void start();
  // Ends that. False: a node is still being waited for, and its end would have to be.
  bool stop();

  // As Orchestrator's and Adopter's calls of these names.
  Result<HostPtr> init(const std::string& host_id, std::int64_t wait_ms);
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan, std::int64_t wait_ms);
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id);
  Status remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t timeout_ms);
  Result<std::vector<core::Leftover>> collect(const std::string& host_id);

 private:
  Result<JobPtr> begin(std::string_view action, const std::string& host_id, const std::string& vm_id = {});
  Result<JobPtr> claimed();
  Error not_ended(const std::string& job_id) const;
  void note_asked(const JobPtr& job, const std::string& detail);
  // The end of a job with what its work came to.
  Status end(const std::string& job_id, const Status& done, const std::string& outcome = {});
  void resume_all();
  bool resume(const Job& job, bool last);
  Status carry_on(const Job& job, std::string& outcome);

  Store& store_;
  Adopter& adopter_;
  Orchestrator& orchestrator_;
  const Options options_;
  std::vector<JobPtr> left_;  // by the server before: seen before any request can begin one of its own
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool resuming_ = false;
  std::thread thread_;
};

}  // namespace qarax::server
