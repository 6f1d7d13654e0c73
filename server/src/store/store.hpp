// The only place with SQL. Reads come from memory; every change is one transaction, durable when the call returns
// unless stated otherwise. Thread-safe. A change that the database refuses has no effect.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adoption.hpp"
#include "database_url.hpp"
#include "event_feed.hpp"
#include "job_book.hpp"
#include "kept_answer.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/result.hpp"
#include "records.hpp"
#include "tombstone.hpp"

namespace qarax::server {

struct NewVmInput {
  std::string name;
  std::optional<std::string> description;
  std::string hypervisor;  // empty: the node's default, at the first start
  std::optional<std::string> boot_source_id;
  VmSpec spec;
  Restart restart{};
  std::vector<std::string> tags{};
  bool only_check = false;  // writes nothing; returns what the record would be
};

struct NewHostInput {
  std::string name;
  std::string address;
  std::int64_t port = 0;
  std::string host_user;
  bool only_check = false;  // as in NewVmInput
};

// An edit of the user's part of an object. `change` runs in the transaction, under the store's lock: it must be short,
// and if it returns an Error nothing changes. If the record's version isn't `expected_version`: ABORTED
// "precondition-failed".
struct EditVm {
  std::string vm_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(VmRecord&)> change;
  bool only_check = false;  // writes nothing; returns what the record would be
};
struct EditHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(HostRecord&)> change;
  bool only_check = false;
};

// Removes a host's record.
struct RemoveHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version{};
  bool with_vms = false;  // also removes the records of its VMs: the host never comes back
  bool only_check = false;
};

// This activation of the server, as Hello and every command carry it. Each start of a server and each adopt of a whole
// host begins one, and so may remove_host().
struct Activation {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string id;
};

// How far an activation's changes have come. `position` is the number of the last event; everything up to it is on
// disk, so that a node that was told a position can later prove that the database once had it.
struct Progress {
  Activation activation;
  std::int64_t position = 0;
};

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

// How long data is kept that running VMs don't need. Times are in seconds that servers of this database have run
// (running_time.hpp): neither a jump of the clock nor a night without a server makes anything old.
struct Retention {
  std::int64_t events = 100'000;
  std::int64_t events_s = 7LL * 24 * 3600;
  std::int64_t jobs = 10'000;  // finished ones only
  std::int64_t jobs_s = 7LL * 24 * 3600;
};

enum class Removal {
  never_placed,    // no node knows the VM
  with_tombstone,  // the node must delete it when it comes back
  by_job,          // the node has deleted it
  with_host,       // its host is removed too
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Activation activation() const = 0;  // an adopt begins another one
  virtual Progress progress() const = 0;      // never beyond what that activation has committed
  virtual Status check() = 0;                 // whether the database can be written; for /readyz

  // -- reads, from memory --
  virtual VmPtr vm(const std::string& id) const = 0;  // null: there is none
  virtual std::vector<VmPtr> vms() const = 0;         // in order of creation
  // Number of changes of VMs and hosts so far. wait_for_change() blocks until it is no longer `seen`, or until the
  // given time.
  virtual std::uint64_t changes() const = 0;
  virtual void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const = 0;
  virtual HostPtr host(const std::string& id) const = 0;
  virtual std::vector<HostPtr> hosts() const = 0;
  virtual std::vector<Reservation> reservations() const = 0;
  virtual std::vector<JobRecord> unfinished_jobs() const = 0;
  virtual std::vector<SnapshotPtr> snapshots(const std::string& vm_id) const = 0;  // in order of creation
  virtual SnapshotPtr snapshot(const std::string& id) const = 0;                   // null: none

  // -- VMs --
  // ALREADY_EXISTS "name-taken". INVALID_ARGUMENT: the description contains a NUL.
  virtual Result<VmPtr> create_vm(const NewVmInput& input) = 0;
  // Removes the record and its reservation and ends its jobs. ABORTED "changed": a VM that was never placed has a host
  // by now; "precondition-failed": it has another version. Returns the id of the job that the removal was; empty: there
  // was no such VM.
  virtual Result<std::string> remove_vm(const std::string& id, Removal how,
                                        std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  // Takes name, description, tags, the restart's policy and limit, hypervisor, spec, resolved, boot_source_id and
  // revision from the changed record. NOT_FOUND; ALREADY_EXISTS "name-taken"; the errors of EditVm::change.
  virtual Result<VmPtr> edit_vm(const EditVm& edit) = 0;
  // Records the desired state of `action` for a VM that is in that state already. If this differs from the desired
  // state so far, it is recorded as a job that completes at once. ABORTED "changed": another job is under way by now.
  // NOT_FOUND.
  virtual Result<VmPtr> set_desired(const std::string& id, core::Action action) = 0;
  // Changes the size of a VM that doesn't run, for its next start. ABORTED "changed", "job-in-progress";
  // "precondition-failed": it has another version.
  virtual Result<VmPtr> resize_idle(const std::string& id, const core::ResizeCommand& size,
                                    std::int64_t expected_revision,
                                    std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  virtual std::vector<Tombstone> tombstones(const std::string& host_id) const = 0;
  virtual Status drop_tombstone(const std::string& vm_id) = 0;
  // The VM's tombstone gets at least that revision. Does nothing if there is none.
  virtual Status raise_tombstone(const std::string& vm_id, std::int64_t revision) = 0;

  // -- jobs --
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
  virtual std::vector<JobPtr> unfinished_host_jobs() const = 0;
  // Marks an unfinished job as to be cancelled; durable, so that later servers know it too. Null: the job has ended
  // already.
  virtual Result<JobPtr> cancel_job(const std::string& job_id) = 0;
  // Null: there never was such a job, or it is no longer kept.
  virtual Result<JobPtr> job(const std::string& id) = 0;
  virtual Result<std::vector<JobPtr>> jobs(const JobQuery& query) = 0;
  virtual JobBook& job_book() = 0;

  // -- observations --
  // Applied only if host, incarnation, session and sequence number show that it is newer. Written as late as
  // finish_job's changes. Null: not applied.
  virtual VmPtr apply_report(const std::string& host_id, const core::VmReport& report) = 0;
  // All VMs of the host that may run become unknown. The status is written soon, so that a restarted server doesn't
  // report the change again.
  virtual void lose_host(const std::string& host_id, const std::string& reason) = 0;
  // The restarts of this incarnation's VM count no more. Written soon.
  virtual void forget_restarts(const std::string& vm_id, std::int64_t incarnation) = 0;
  // Called after a snapshot of the node's VMs: VMs of the host that may run and aren't in it become unknown, never
  // shutdown.
  virtual void missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) = 0;

  // -- hosts --
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // ALREADY_EXISTS "name-taken"
  // Takes name, address, port and host_user from the changed record. Errors as for edit_vm(). A host that has a proof
  // or is awaited can be edited even while changes are refused: it may have moved.
  virtual Result<HostPtr> edit_host(const EditHost& edit) = 0;
  // Removes the host and its tombstones. FAILED_PRECONDITION "host-in-use" while it has VMs in whatever state, unless
  // `with_vms` is set and the host isn't up. A host whose node proved that the database was set back, or is still
  // awaited, can be removed even while changes are refused: its proof goes with it, and if it was the last one, changes
  // are possible again, under a new activation and a new epoch of events.
  virtual Status remove_host(const RemoveHost& asked) = 0;
  // Status and facts are in memory only; the pinned node_id is durable.
  virtual Status pin_node(const std::string& host_id, const std::string& node_id) = 0;
  virtual void update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                           const std::optional<core::NodeInfo>& info) = 0;

  // -- a database that was set back, or lost --
  // Why every change is refused with UNAVAILABLE "read-only" until an adopt; empty: changes are possible.
  virtual std::string read_only() const = 0;
  virtual Result<bool> knows_activation(const std::string& id) = 0;
  // The position at which the next activation began. nullopt: this one is the last or unknown, or an older server,
  // which recorded no position, followed it.
  virtual Result<std::optional<std::int64_t>> end_of_activation(const std::string& id) = 0;
  // Records the proof that this host's node has obeyed a later state of this database. Durable; changes are refused
  // from here on, until this host is adopted or removed, and each host that this server hasn't heard yet is heard,
  // adopted or removed. A second call for the same host has no effect.
  virtual Status mark_set_back(const std::string& host_id, const std::string& proof) = 0;
  // Called when the host's node has told all that it knows, after mark_set_back() if that proved something.
  virtual Status hear(const std::string& host_id) = 0;
  // Adopts in one transaction, also while changes are refused; returns the id of its job. ABORTED "plan-changed";
  // NOT_FOUND "host-not-found": the host was removed meanwhile.
  virtual Result<std::string> adopt(const Adoption& adoption) = 0;

  // -- requests that are made again --
  // What is stored for an Idempotency-Key; kept for 24 h of running time. The key is bound to the first change that is
  // made under a RequestScope with its Claim, in that change's transaction; a second change with a job is ABORTED
  // "idempotency-answer-lost".
  virtual Result<std::optional<KeptKey>> kept_key(const std::string& key) = 0;
  virtual void keep_answer(KeptKey kept) = 0;  // on disk soon, as with finish_job
  // The job to which the request that this thread serves was bound when it was first made. Null: there is none.
  virtual Result<JobPtr> claimed_job() = 0;

  // -- events --
  virtual EventFeed& events() = 0;
  // Number of the last event of an earlier epoch; nullopt: this database never had that epoch, or it is the current
  // one.
  virtual Result<std::optional<std::int64_t>> end_of_epoch(std::int64_t epoch) = 0;
  // Events after `seq`, read from the database.
  virtual Result<EventPage> stored_events(std::int64_t seq, std::size_t most) = 0;

  // Removes what is older, or more, than `retention` allows.
  virtual Status prune(const Retention& retention) = 0;
  // Writes the queued changes.
  virtual void flush() = 0;
  // Called when the server ends: from now on nobody waits to learn whether a commit took effect. The caller of such a
  // commit gets UNAVAILABLE "outcome-unknown", which means just that, and no change is made any more.
  virtual void stop_waiting() = 0;
};

// SQLite in one file: WAL, synchronous=FULL. Takes the store's lock, migrates (after a copy of the file), starts a new
// term. Errors are one sentence: not writable, locked by another server ("store-locked"), newer schema. `clock`:
// measures how long the server has run; null: the system's clock.
using ClockPtr = std::shared_ptr<const core::Clock>;
Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, ClockPtr clock = nullptr);

// PostgreSQL, UTF8, through one connection of its own (no pooler in between). As above, and "store-down": nobody
// answers there; try again. Later, a lost connection, or one that doesn't answer within seconds, makes changes fail
// with UNAVAILABLE "store-unavailable" until the server has reconnected by itself. If another server has taken the lock
// or the term meanwhile, the process ends.
Result<std::unique_ptr<Store>> open_postgres(const DatabaseUrl& url, ClockPtr clock = nullptr);

Result<std::unique_ptr<Store>> open_store(const DatabaseUrl& url, ClockPtr clock = nullptr);

}  // namespace qarax::server
