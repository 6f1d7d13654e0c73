// Store on top of a Database and Memory: each change is part of a transaction, and once that is committed the same
// change is made in memory, where readers see it.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "database.hpp"
#include "event_log.hpp"
#include "job_book.hpp"
#include "memory.hpp"
#include "refusals.hpp"
#include "request_scope.hpp"
#include "reservations.hpp"
#include "rows.hpp"
#include "running_time.hpp"
#include "store.hpp"

namespace qarax::server {

class SqlStore final : public Store {
 public:
  // DATA_LOSS: the database or a row can't be read. Another error of Database::unreadable: it may be readable later.
  // `name` is the database's name in messages.
  static Result<std::unique_ptr<Store>> load_from(std::unique_ptr<Database> db, const std::string& name,
                                                  ClockPtr clock);

  Activation activation() const override { return db_->activation(); }
  Progress progress() const override;
  Status check() override;
  void flush() override;
  void stop_waiting() override { db_->stop_waiting(); }

  VmPtr vm(const std::string& id) const override { return memory_.vm(id); }
  std::vector<VmPtr> vms() const override { return memory_.vms(); }
  std::uint64_t changes() const override { return memory_.changes(); }
  void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const override {
    memory_.wait_for_change(seen, until);
  }
  HostPtr host(const std::string& id) const override { return memory_.host(id); }
  std::vector<HostPtr> hosts() const override { return memory_.hosts(); }

  std::vector<Reservation> reservations() const override { return reservations_.all(); }
  std::vector<JobRecord> unfinished_jobs() const override {
    const std::lock_guard lock(db_->state());
    std::vector<JobRecord> out;
    for (const auto& [id, job] : jobs_) out.push_back(job);
    return out;
  }

  std::vector<SnapshotPtr> snapshots(const std::string& vm_id) const override;
  SnapshotPtr snapshot(const std::string& id) const override;

  Result<VmPtr> create_vm(const NewVmInput& input) override;
  Result<std::string> remove_vm(const std::string& id, Removal how,
                                std::optional<std::uint64_t> expected_version) override;
  Result<VmPtr> edit_vm(const EditVm& edit) override;
  Result<VmPtr> set_desired(const std::string& id, core::Action action) override;
  Result<VmPtr> resize_idle(const std::string& id, const core::ResizeCommand& size, std::int64_t expected_revision,
                            std::optional<std::uint64_t> expected_version) override;
  Result<BegunJob> begin_job(const BeginJob& job) override;
  using Store::finish_job;
  VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report,
                   const std::optional<Error>& error) override;
  Result<JobPtr> begin_host_job(const BeginHostJob& job) override;
  void finish_host_job(const std::string& job_id, const std::optional<Error>& error,
                       const std::string& outcome) override;
  std::vector<JobPtr> unfinished_host_jobs() const override;
  Result<JobPtr> cancel_job(const std::string& job_id) override;
  Result<JobPtr> job(const std::string& id) override;
  Result<std::vector<JobPtr>> jobs(const JobQuery& query) override;
  JobBook& job_book() override { return book_; }
  Result<std::optional<KeptKey>> kept_key(const std::string& key) override;
  void keep_answer(KeptKey kept) override;
  Result<JobPtr> claimed_job() override;
  VmPtr apply_report(const std::string& host_id, const core::VmReport& report) override;
  void lose_host(const std::string& host_id, const std::string& reason) override;
  void lose_vm(const std::string& host_id, const std::string& vm_id, const std::string& reason) override;
  void forget_restarts(const std::string& vm_id, std::int64_t incarnation) override;
  void missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) override;
  Result<HostPtr> add_host(const NewHostInput& input) override;
  Result<HostPtr> edit_host(const EditHost& edit) override;
  Status remove_host(const RemoveHost& asked) override;
  Status pin_node(const std::string& host_id, const std::string& node_id) override;
  void update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                   const std::optional<core::NodeInfo>& info) override;
  std::vector<Tombstone> tombstones(const std::string& host_id) const override;
  Status drop_tombstone(const std::string& vm_id) override;
  Status raise_tombstone(const std::string& vm_id, std::int64_t revision) override;
  std::string read_only() const override { return db_->read_only(); }
  Result<bool> knows_activation(const std::string& id) override;
  Result<std::optional<std::int64_t>> end_of_activation(const std::string& id) override;
  Status mark_set_back(const std::string& host_id, const std::string& proof) override;
  Status hear(const std::string& host_id) override;
  Result<std::string> adopt(const Adoption& adoption) override;
  EventFeed& events() override { return feed_; }
  Result<std::optional<std::int64_t>> end_of_epoch(std::int64_t epoch) override;
  Result<EventPage> stored_events(std::int64_t seq, std::size_t most) override;
  Status prune(const Retention& retention) override;

 private:
  SqlStore(std::unique_ptr<Database> db, ClockPtr clock)
      : clock_(clock ? std::move(clock) : std::make_shared<const core::SystemClock>()),
        ran_(clock_),
        events_(ran_, feed_),
        db_(std::move(db)) {}
  // Runs a change; if a request asked for it with an Idempotency-Key, the change is bound to its claim. `job_id`: job
  // of the change; empty: it has none.
  Status transact(Database::Change change, const std::string& job_id);
  void prune_keys(Session& session);
  void load();
  void save_later(const std::string& id);
  void judge_read_only();
  void await_unheard(const std::string& host_id);
  // Key of the changes that begin a term, mark hosts as awaited or end that. Each has to see the others whole.
  static constexpr std::string_view kSetBackKey = "set back";
  struct NextTerm {
    Activation activation{};
    std::int64_t epoch = 0;
  };
  NextTerm begin_next_term(Session& session, std::int64_t above);
  void publish(const NextTerm& next);
  Status write_adopted(Session& session, const Adoption& adoption, VmRecord& vm, std::vector<Job>& ended);
  // A forgotten VM's memory, until nothing of it can run any more. Called under state().
  void reserve_forgotten(const Tombstone& stone);
  void free_forgotten(const std::string& vm_id);
  void publish_raised(const std::string& vm_id, std::int64_t revision);
  void publish_adopted(const Adoption& adoption, VmRecord vm);
  void load_jobs(Session& session);
  void end_orphaned_jobs();
  Status check_no_host_job(const std::string& vm_id) const;  // call under state()
  void fail_jobs_of(Session& session, const std::string& vm_id, std::vector<Job>& ended);
  Job new_job(std::string_view action) const;
  Job job_done_at_once(std::string_view action) const;
  Job told_of(const JobRecord& job, const VmRecord& vm) const;
  // The unfinished job as it is known, ended with that state and error.
  Job ended_job(const std::string& id, JobState state, const std::optional<Error>& error) const;
  void save_later(const std::string& id, std::vector<Event> events);
  void log_later(std::vector<Event> events);
  std::string now_text() const { return core::to_rfc3339(clock_->wall()); }
  bool starts(const VmRecord& vm) const;
  bool is_current(const core::VmReport& report) const;
  void settle_reservation(const VmRecord& vm);
  void lose(const VmRecord& vm, const std::string& reason);
  void note_unknown(const VmRecord& before, const VmPtr& now);
  // VmRecord::order of a VM that is new in this transaction, for a work that adds its event next. It follows from that
  // event's number, which never comes again: a page of a list that was read before a restart goes on where it ended.
  std::int64_t next_order() const { return order_lead_ + events_.next(); }

  // sql_store_snapshots.cpp: the part of a job that isn't its VM's state (resize, snapshot, restore).
  struct Begin;
  Status plan_subject(const BeginJob& asked, const JobRecord* unfinished, Begin& plan) const;
  void publish_subject(const Begin& plan);
  void finish_subject(const JobRecord& job, JobState state, const std::optional<core::VmReport>& report, VmRecord& vm);
  void settle_put_aside(const JobRecord& job, const core::VmReport& report, VmRecord& vm);
  void free_reserved(const std::string& vm_id, std::int64_t memory);
  void keep_snapshot(SnapshotRecord record);
  Status check_free(const VmRecord& vm, const JobRecord* unfinished, core::Action asked) const;

  struct Removed;
  Status plan_removal(Session& session, const std::string& id, Removal how,
                      std::optional<std::uint64_t> expected_version, Removed& plan);
  void publish(Removed& plan);
  struct RemovedHost;
  Status plan_host_removal(Session& session, const RemoveHost& asked, RemovedHost& plan);
  // sql_store_begin.cpp, under state()
  Status check_begin(const BeginJob& asked, const VmRecord& vm, const JobRecord* unfinished) const;
  void plan_records(const BeginJob& asked, const VmRecord& before, const JobRecord* unfinished, Begin& plan) const;
  Status plan_placement(const BeginJob& asked, const Placement& place, Begin& plan) const;
  void write_begun(Session& session, const JobRecord* unfinished, Begin& plan);
  Status plan_job(Session& session, const BeginJob& asked, Begin& plan);
  VmPtr publish(const Begin& plan);

  const ClockPtr clock_;
  Memory memory_;
  // Changed only under db_->state(), like all that follows, but read without it: every start reads it to choose a host,
  // and must not wait for the commit under way.
  Reservations reservations_;
  // The members from here on are guarded by db_->state(), under which all changes are made, so that database and memory
  // agree on the order. Readers of memory_ don't need it.
  std::map<std::string, JobRecord> jobs_;         // unfinished jobs of VMs, by id
  std::set<std::string> host_jobs_;               // ids of unfinished host jobs; the jobs are in book_
  std::map<std::string, Tombstone> tombstones_;   // by VM id
  std::map<std::string, SnapshotPtr> snapshots_;  // by id
  // By how much orders are ahead of the numbers of events: an older server counted them by themselves. On disk before
  // the first create, as a VM that is deleted since may have been the last of them.
  std::int64_t order_lead_ = 0;
  JobBook book_;
  EventFeed feed_;
  RunningTime ran_;
  EventLog events_;
  // Destroyed first: its destructor writes what is queued, which uses the members above.
  const std::unique_ptr<Database> db_;
};

}  // namespace qarax::server
