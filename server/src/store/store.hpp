// The only place with SQL. Reads come from memory; every change is one transaction, durable when the call returns
// unless it says otherwise. Thread-safe. A change that the database refuses has changed nothing.
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

namespace qarax::server {

struct NewVmInput {
  std::string name;
  std::optional<std::string> description;
  std::string hypervisor;  // empty: the node's default, at the first start
  std::optional<std::string> boot_source_id;
  VmSpec spec;
  Restart restart{};
  std::vector<std::string> tags{};
  bool only_check = false;  // nothing is written; what it would have been is answered
};

struct NewHostInput {
  std::string name;
  std::string address;
  std::int64_t port = 0;
  std::string host_user;
  bool only_check = false;  // as NewVmInput
};

// A change of what the user wrote of an object. `change` runs in the transaction, under the store's lock: it is short,
// and its Error leaves everything as it was. Another `expected_version` than the record's: ABORTED
// "precondition-failed".
struct EditVm {
  std::string vm_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(VmRecord&)> change;
  bool only_check = false;  // nothing is written; what it would have been is answered
};
struct EditHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(HostRecord&)> change;
  bool only_check = false;
};

// A host that is to be forgotten.
struct RemoveHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version{};
  bool with_vms = false;  // with the records of its VMs: it never comes back
  bool only_check = false;
};

// This activation of the server, as Hello and every command carry it.
struct Activation {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string id;
};

// How far an activation's changes have come: the number of the last event. All of it is on disk, so that whoever was
// told of it proves later that it was.
struct Progress {
  Activation activation;
  std::int64_t position = 0;
};

// Where a start goes, decided by the scheduler; `capacity` is rechecked in the transaction.
struct Placement {
  std::string host_id;
  std::string hypervisor;         // what shall run it
  std::int64_t memory = 0;        // bytes to reserve
  std::int64_t capacity = 0;      // bytes that the host has for VMs
  std::string fallback_reason{};  // why `hypervisor` isn't what was asked for; empty: it is
};

struct BeginJob {
  std::string vm_id;
  core::Action action = core::Action::start;
  std::int64_t expected_revision = 0;  // of the VM when the caller decided; another one: ABORTED "changed"
  std::optional<Placement> placement;  // of a start or restore
  std::int64_t timeout_ms = 0;
  std::string request_id;
  JobArguments arguments{};
  Origin origin = Origin::user;                     // policy: only if its policy still wants it, else ABORTED "changed"
  bool was_calm = false;                            // of a policy's: the VM had run for long, its restarts count anew
  std::int64_t capacity = 0;                        // of a resize: bytes that its host has for VMs
  std::optional<std::uint64_t> expected_version{};  // of the VM; another one: ABORTED "precondition-failed"
  bool only_check = false;                          // nothing is recorded, and what would have been isn't answered
};

// What is done at a host, and is no VM's job: its action is one of kHostActions.
struct BeginHostJob {
  std::string action;
  std::string host_id;
  std::string vm_id{};        // that its node has and the server hasn't, where it is about one
  std::int64_t revision = 0;  // of the command that its node is given
  std::string outcome{};      // what its request is answered with, as far as that is known when it begins
};

struct BegunJob {
  JobRecord job;
  VmPtr vm;
  std::string superseded;  // id of the job that this one put aside; empty
};

// How long it is kept what nobody needs for running VMs. The time is that for which servers of this database have run
// (running_time.hpp): a clock that jumps makes nothing old, nor does a night without a server.
struct Retention {
  std::int64_t events = 100'000;
  std::int64_t events_s = 7LL * 24 * 3600;
  std::int64_t jobs = 10'000;  // finished ones
  std::int64_t jobs_s = 7LL * 24 * 3600;
};

enum class Removal {
  never_placed,    // no node has heard of it
  with_tombstone,  // its node shall delete it when it comes back
  by_job,          // its node has deleted it
  with_host,       // its host is forgotten too
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Activation activation() const = 0;  // changes with an adopt
  virtual Progress progress() const = 0;      // never more than that activation has come to
  virtual Status check() = 0;                 // can it still write? for /readyz

  // -- reads, from memory --
  virtual VmPtr vm(const std::string& id) const = 0;  // null: none
  virtual std::vector<VmPtr> vms() const = 0;         // in order of creation
  // Counts every change of a VM or host. wait_for_change: until it isn't `seen` any more, or the time has come.
  virtual std::uint64_t changes() const = 0;
  virtual void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const = 0;
  virtual HostPtr host(const std::string& id) const = 0;
  virtual std::vector<HostPtr> hosts() const = 0;
  virtual std::vector<Reservation> reservations() const = 0;
  virtual std::vector<JobRecord> unfinished_jobs() const = 0;
  virtual std::vector<SnapshotPtr> snapshots(const std::string& vm_id) const = 0;  // in order of creation
  virtual SnapshotPtr snapshot(const std::string& id) const = 0;                   // null: none

  // -- VMs --
  // ALREADY_EXISTS "name-taken". INVALID_ARGUMENT: a description with a NUL.
  virtual Result<VmPtr> create_vm(const NewVmInput& input) = 0;
  // The record, its jobs and reservations go. ABORTED "changed": a VM that was never placed has a host by now;
  // "precondition-failed": it has another version. The id of the job that it was; empty: there was no such VM.
  virtual Result<std::string> remove_vm(const std::string& id, Removal how,
                                        std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  // Takes name, description, tags, the restart's policy and limit, hypervisor, spec, resolved, boot_source_id and
  // revision from the changed record. NOT_FOUND; ALREADY_EXISTS "name-taken"; the change's own.
  virtual Result<VmPtr> edit_vm(const EditVm& edit) = 0;
  // What the VM shall be, where it is that already: where that is news, it is a job that is completed at once. ABORTED
  // "changed": another job is under way by now. NOT_FOUND.
  virtual Result<VmPtr> set_desired(const std::string& id, core::Action action) = 0;
  // The size of a VM that doesn't run, for its next start. ABORTED "changed", "job-in-progress"; "precondition-failed":
  // it has another version.
  virtual Result<VmPtr> resize_idle(const std::string& id, const core::ResizeCommand& size,
                                    std::int64_t expected_revision,
                                    std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  virtual std::vector<std::pair<std::string, std::int64_t>> tombstones(
      const std::string& host_id) const = 0;  // (vm, revision)
  virtual Status drop_tombstone(const std::string& vm_id) = 0;

  // -- jobs --
  // Job, desired state, incarnation and reservation in one transaction. One unfinished job a VM: a higher precedence
  // supersedes it, else ABORTED "job-in-progress" with its id in details ("/job_id"). RESOURCE_EXHAUSTED
  // "no-host-fits". A resize reserves what it adds, a snapshot has its record from here on ("name-taken"), a restore
  // needs one that is ready ("snapshot-not-found").
  virtual Result<BegunJob> begin_job(const BeginJob& job) = 0;
  // The job's end and the node's report. In memory at once, on disk soon: after a crash the job is asked for again, and
  // the node repeats its stored result. Null where it was superseded or finished already. failed, cancelled: the
  // desired state is what it was before.
  virtual VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report,
                           const std::optional<Error>& error) = 0;
  VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report) {
    return finish_job(job_id, state, report, std::nullopt);
  }
  // A job at a host, before it is carried out. NOT_FOUND "host-not-found"; ABORTED "job-in-progress" where the VM that
  // it is about has one.
  virtual Result<JobPtr> begin_host_job(const BeginHostJob& job) = 0;
  // Its end, with what its request is answered with (JSON; empty: what was put there when it began). On disk where the
  // database answers. A request whose job failed in a way that asks to be repeated can be made again with its key.
  virtual void finish_host_job(const std::string& job_id, const std::optional<Error>& error,
                               const std::string& outcome = {}) = 0;
  virtual std::vector<JobPtr> unfinished_host_jobs() const = 0;
  // The end of an unfinished job is asked for, which no later server forgets; null where it has come to its end.
  virtual Result<JobPtr> cancel_job(const std::string& job_id) = 0;
  // Null: it never was, or isn't kept any more.
  virtual Result<JobPtr> job(const std::string& id) = 0;
  virtual Result<std::vector<JobPtr>> jobs(const JobQuery& query) = 0;
  virtual JobBook& job_book() = 0;

  // -- observations --
  // Applied only if host, incarnation, session and order say that it is newer. Disk as finish_job. Null: not applied.
  virtual VmPtr apply_report(const std::string& host_id, const core::VmReport& report) = 0;
  // All VMs of the host that may run become unknown (in memory only: a restarted server knows nothing anyway).
  virtual void lose_host(const std::string& host_id, const std::string& reason) = 0;
  // After a snapshot: VMs of the host that may run and aren't in it are unknown, never shutdown.
  virtual void missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) = 0;

  // -- hosts --
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // ALREADY_EXISTS "name-taken"
  // Takes name, address, port and host_user from the changed record. Errors as edit_vm's.
  virtual Result<HostPtr> edit_host(const EditHost& edit) = 0;
  // Its tombstones go with it. FAILED_PRECONDITION "host-in-use" while it has VMs, whatever their state, unless they
  // go too, which they don't while it is up. Of a host that has proved that the database was set back also while
  // changes are refused: its proof goes with it, and where it was the last one changes are possible again, under a new
  // activation and a new epoch of events.
  virtual Status remove_host(const RemoveHost& asked) = 0;
  // Status and facts live in memory; the pinned node_id is durable.
  virtual Status pin_node(const std::string& host_id, const std::string& node_id) = 0;
  virtual void update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                           const std::optional<core::NodeInfo>& info) = 0;

  // -- a database that was set back, or lost --
  // Why every change is refused UNAVAILABLE "read-only" until an adopt; empty: it isn't.
  virtual std::string read_only() const = 0;
  virtual Result<bool> knows_activation(const std::string& id) = 0;
  // The position at which another activation followed this one; none: it's the last one, unknown, or an older server
  // followed it.
  virtual Result<std::optional<std::int64_t>> end_of_activation(const std::string& id) = 0;
  // What this host's node says proves that it obeyed a later state of this database. Durable; changes are refused from
  // here on. Again for the same host: nothing.
  virtual Status mark_set_back(const std::string& host_id, const std::string& proof) = 0;
  // One transaction, also while changes are refused; the id of its job. ABORTED "plan-changed".
  virtual Result<std::string> adopt(const Adoption& adoption) = 0;

  // -- requests that are made again --
  // What is known of an Idempotency-Key; kept for 24 h of running. It is bound to the first change that is made under a
  // RequestScope with its Claim, in that change's transaction; a second one with a job is ABORTED
  // "idempotency-answer-lost".
  virtual Result<std::optional<KeptKey>> kept_key(const std::string& key) = 0;
  virtual void keep_answer(KeptKey kept) = 0;  // disk as finish_job
  // Of the request that this thread serves: the job that it was bound to at its first time. Null: there is none.
  virtual Result<JobPtr> claimed_job() = 0;

  // -- events --
  virtual EventFeed& events() = 0;
  // The number of the last event of an epoch before this one; none: this database never was in it.
  virtual Result<std::optional<std::int64_t>> end_of_epoch(std::int64_t epoch) = 0;
  // What comes after `seq`, from the database.
  virtual Result<EventPage> stored_events(std::int64_t seq, std::size_t most) = 0;

  // Removes what has been kept for long enough.
  virtual Status prune(const Retention& retention) = 0;
  // Writes what waits to be written.
  virtual void flush() = 0;
  // The server ends: a commit whose fate isn't known is waited for no longer, neither now nor later. Who asked for it
  // is told UNAVAILABLE "outcome-unknown", which says no more than that, and from then on nothing is changed any more.
  virtual void stop_waiting() = 0;
};

// SQLite in one file: WAL, synchronous=FULL. Takes the store's lock, migrates (after a copy of the file), starts a new
// term. Errors are one sentence: not writable, locked by another server ("store-locked"), newer schema.
// `clock`: tells how long the server has run; the system's where there is none.
using ClockPtr = std::shared_ptr<const core::Clock>;
Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, ClockPtr clock = nullptr);

// PostgreSQL, UTF8, through one connection of its own (no pooler in between). As above, and "store-down": nobody
// answers there, ask again. Later on a lost connection makes changes fail with UNAVAILABLE "store-unavailable" and
// heals by itself, and so does one that isn't answered within seconds; a lock or a term that another server has taken
// meanwhile ends the process.
Result<std::unique_ptr<Store>> open_postgres(const DatabaseUrl& url, ClockPtr clock = nullptr);

Result<std::unique_ptr<Store>> open_store(const DatabaseUrl& url, ClockPtr clock = nullptr);

}  // namespace qarax::server
