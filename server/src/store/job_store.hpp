// Jobs that a node carries out, from the transaction that records them to their end, and what is kept of all jobs. Part
// of Store, whose contract holds here too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host_action.hpp"
#include "job_book.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/result.hpp"
#include "records.hpp"

namespace qarax::server {

// Where a VM starts, decided by the scheduler; `capacity` is checked again in the transaction.
struct Placement {
  std::string host_id;
  std::string hypervisor;         // hypervisor that will run it
  std::int64_t memory = 0;        // bytes to reserve
  std::int64_t capacity = 0;      // bytes that the host has for all VMs
  std::string fallback_reason{};  // why `hypervisor` isn't the requested one; empty: it is
};

struct BeginJob {
  std::string vm_id;
  core::Action action = core::Action::start;
  std::int64_t expected_revision = 0;  // of the VM when the caller decided; if another by now: ABORTED "changed"
  std::optional<Placement> placement;  // for a start or restore
  std::int64_t timeout_ms = 0;
  std::string request_id;
  JobArguments arguments{};
  Origin origin = Origin::user;  // policy: ABORTED "changed" unless the VM's restart policy still wants it
  std::int64_t capacity = 0;     // for a resize: bytes that its host has for all VMs
  std::optional<std::uint64_t> expected_version{};  // of the VM; if another by now: ABORTED "precondition-failed"
  bool only_check = false;  // checks and records nothing; begin_job() then returns an empty BegunJob
};

// A job at a host that isn't a VM's job.
struct BeginHostJob {
  HostAction action = HostAction::init_host;
  std::string host_id;
  std::string vm_id{};        // a VM that the node has and the server doesn't, if the job is about one
  std::int64_t revision = 0;  // of the command to the node
  std::string outcome{};      // response body of its request, as far as it is known when the job begins
};

struct BegunJob {
  JobRecord job;
  VmPtr vm;
  std::string superseded;  // id of the job that this one superseded; empty: none
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  // Records job, desired state, incarnation and reservation in one transaction. A VM has at most one unfinished job: an
  // action of higher precedence supersedes it, any other is ABORTED "job-in-progress" with the job's id in details
  // ("/job_id"). RESOURCE_EXHAUSTED "no-host-fits". A resize reserves the memory that it adds; a snapshot gets its
  // record here ("name-taken"); a restore needs a snapshot that is ready ("snapshot-not-found").
  virtual Result<BegunJob> begin_job(const BeginJob& job) = 0;
  // Ends the job and applies the node's report. In memory at once, on disk soon after: after a crash the node is asked
  // again and repeats its stored result. Null: the job was superseded or finished already. If it failed or was
  // cancelled, the desired state becomes what it was before.
  virtual VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report,
                           const std::optional<Error>& error) = 0;
  VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report) {
    return finish_job(job_id, state, report, std::nullopt);
  }
  // Records a job at a host before it is carried out. NOT_FOUND "host-not-found"; ABORTED "job-in-progress": the VM
  // that it is about has an unfinished job.
  virtual Result<JobPtr> begin_host_job(const BeginHostJob& job) = 0;
  // Ends the job. `outcome`: the response body of its request (JSON); empty: the one given when it began stays. Written
  // before the call returns if the database answers. If the job failed with a retryable error, its request can be made
  // again with its key.
  virtual void finish_host_job(const std::string& job_id, const std::optional<Error>& error,
                               const std::string& outcome = {}) = 0;
  // Marks an unfinished job as to be cancelled; durable, so that later servers know it too. Null: the job has ended
  // already.
  virtual Result<JobPtr> cancel_job(const std::string& job_id) = 0;

  // Null: there never was such a job, or it is no longer kept.
  virtual Result<JobPtr> job(const std::string& id) = 0;
  virtual Result<std::vector<JobPtr>> jobs(const JobQuery& query) = 0;
  virtual JobBook& job_book() = 0;
};

}  // namespace qarax::server
