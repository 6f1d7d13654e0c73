// Store over SqliteDb and Memory: each public call is one transaction, then the same change in memory.
#include <Poco/Data/Statement.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "memory.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "rows.hpp"
#include "sqlite_db.hpp"
#include "store.hpp"

namespace qarax::server {

namespace {

using Poco::Data::Session;

std::string now_text() { return core::to_rfc3339(std::chrono::system_clock::now()); }

bool may_run(VmState state) {
  return state == VmState::running || state == VmState::paused || state == VmState::unknown;
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<SqliteDb> db) : db_(std::move(db)) { load(); }

  const Activation& activation() const override { return db_->activation(); }
  Status check() override {
    return db_->transact([](Session&) -> Status { return Ok{}; });
  }
  void flush() override { db_->flush(); }

  VmPtr vm(const std::string& id) const override { return memory_.vm(id); }
  std::vector<VmPtr> vms() const override { return memory_.vms(); }
  HostPtr host(const std::string& id) const override { return memory_.host(id); }
  std::vector<HostPtr> hosts() const override { return memory_.hosts(); }

  std::vector<Reservation> reservations() const override {
    const std::lock_guard lock(mutex_);
    std::vector<Reservation> out;
    for (const auto& [vm, reservation] : reservations_) out.push_back(reservation);
    return out;
  }
  std::vector<JobRecord> unfinished_jobs() const override {
    const std::lock_guard lock(mutex_);
    std::vector<JobRecord> out;
    for (const auto& [id, job] : jobs_) out.push_back(job);
    return out;
  }

  Result<VmPtr> create_vm(const NewVmInput& input) override;
  Status remove_vm(const std::string& id, bool tombstone) override;
  Result<BegunJob> begin_job(const BeginJob& job) override;
  VmPtr finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report) override;
  VmPtr apply_report(const std::string& host_id, const core::VmReport& report) override;
  void lose_host(const std::string& host_id, const std::string& reason) override;
  void missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) override;
  Result<HostPtr> add_host(const NewHostInput& input) override;
  Status pin_node(const std::string& host_id, const std::string& node_id) override;
  void update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                   const std::optional<core::NodeInfo>& info) override;
  std::vector<std::pair<std::string, std::int64_t>> tombstones(const std::string& host_id) const override;
  Status drop_tombstone(const std::string& vm_id) override;

 private:
  void load();
  void save_later(const VmPtr& vm);
  bool observe(VmRecord& vm, const core::VmReport& report, bool of_job);
  void settle_reservation(const VmPtr& vm);

  std::unique_ptr<SqliteDb> db_;
  Memory memory_;
  // Serialises changes, so that the database and memory agree on their order; readers of memory_ don't need it.
  mutable std::mutex mutex_;
  std::map<std::string, JobRecord> jobs_;                                   // unfinished, by id
  std::map<std::string, Reservation> reservations_;                         // by VM
  std::map<std::string, std::pair<std::string, std::int64_t>> tombstones_;  // by VM: host, revision
  std::int64_t next_order_ = 1;
};

void SqliteStore::load() {
  Session& session = db_->session();
  for (auto& host : rows::read_hosts(session)) memory_.put(std::move(host));
  for (auto& job : rows::read_unfinished_jobs(session)) jobs_.emplace(job.id, std::move(job));
  for (auto& reservation : rows::read_reservations(session))
    reservations_.emplace(reservation.vm_id, std::move(reservation));
  tombstones_ = rows::read_tombstones(session);
  for (auto& vm : rows::read_vms(session)) {
    next_order_ = std::max(next_order_, vm.order + 1);
    // What ran when this server's predecessor ended may do anything by now: its node will say.
    if (vm.observed.status.state == VmState::running || vm.observed.status.state == VmState::paused) {
      vm.observed.status.state = VmState::unknown;
      vm.observed.status.status_reason = "not heard of since the server's start";
      vm.observed.session.clear();  // whatever the node says next is newer, also what it said before
    }
    for (const auto& [id, job] : jobs_) {
      if (job.vm_id != vm.id) continue;
      vm.activity = core::to_string(job.action);
      vm.job_id = id;
    }
    memory_.put(std::move(vm));
  }
}

Result<VmPtr> SqliteStore::create_vm(const NewVmInput& input) {
  VmRecord vm;
  vm.id = core::new_uuid();
  vm.name = input.name;
  vm.description = input.description;
  vm.hypervisor = input.hypervisor;
  vm.boot_source_id = input.boot_source_id;
  vm.spec = input.spec;
  vm.observed.status.state = VmState::created;
  vm.created_at = vm.updated_at = now_text();
  const std::lock_guard lock(mutex_);
  vm.order = next_order_;
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    if (rows::insert_vm(session, vm)) return Ok{};
    return make_error(
        Code::already_exists,
        "there is a VM named " + vm.name + " already; names are unique: choose another one, or delete that VM",
        "name-taken");
  }));
  ++next_order_;
  return memory_.put(std::move(vm));
}

Status SqliteStore::remove_vm(const std::string& id, bool tombstone) {
  const std::lock_guard lock(mutex_);
  const VmPtr vm = memory_.vm(id);
  if (!vm) return Ok{};
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    rows::delete_vm(session, id);
    if (tombstone && vm->host_id) rows::insert_tombstone(session, id, *vm->host_id, vm->revision + 1, now_text());
    return Ok{};
  }));
  if (tombstone && vm->host_id) tombstones_[id] = {*vm->host_id, vm->revision + 1};
  std::erase_if(jobs_, [&](const auto& item) { return item.second.vm_id == id; });
  reservations_.erase(id);
  memory_.erase(*vm);
  return Ok{};
}

Result<BegunJob> SqliteStore::begin_job(const BeginJob& asked) {
  const std::lock_guard lock(mutex_);
  const VmPtr before = memory_.vm(asked.vm_id);
  if (!before) return make_error(Code::not_found, "there is no VM " + asked.vm_id, "vm-not-found");
  BegunJob begun;
  const JobRecord* unfinished = nullptr;
  for (const auto& [id, job] : jobs_)
    if (job.vm_id == asked.vm_id) unfinished = &job;
  if (unfinished != nullptr && core::precedence(asked.action) <= core::precedence(unfinished->action)) {
    Error error =
        make_error(Code::aborted,
                   "VM " + before->name + " is busy with " + std::string(core::to_string(unfinished->action)) +
                       " (job " + unfinished->id + "); ask again when it has finished",
                   "job-in-progress");
    error.details.push_back({"/job_id", unfinished->id});
    return error;
  }
  if (before->revision != asked.expected_revision)
    return make_error(Code::aborted, "VM " + before->name + " was changed meanwhile", "changed");

  VmRecord vm = *before;
  JobRecord job;
  job.id = core::new_uuid();
  job.vm_id = vm.id;
  job.revision = vm.revision + 1;
  job.action = asked.action;
  job.timeout_ms = asked.timeout_ms;
  job.request_id = asked.request_id;
  job.before = unfinished != nullptr ? unfinished->before : vm.desired;
  vm.revision = job.revision;
  vm.desired = {core::target(asked.action), Origin::user, job.revision};
  vm.activity = core::to_string(asked.action);
  vm.job_id = job.id;
  vm.updated_at = now_text();
  std::optional<Reservation> reservation;
  if (asked.placement) {
    ++vm.incarnation;
    vm.host_id = asked.placement->host_id;
    vm.hypervisor = asked.placement->hypervisor;
    reservation = Reservation{vm.id, *vm.host_id, vm.incarnation, asked.placement->memory};
    std::int64_t taken = 0;
    for (const auto& [id, other] : reservations_)
      if (other.host_id == *vm.host_id && id != vm.id) taken += other.memory;
    if (taken + reservation->memory > asked.placement->capacity)
      return make_error(Code::resource_exhausted, "the host's memory was taken by another VM meanwhile",
                        "no-host-fits");
  }
  job.incarnation = vm.incarnation;
  if (unfinished != nullptr) begun.superseded = unfinished->id;
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    if (!begun.superseded.empty()) rows::finish_job(session, begun.superseded, JobState::superseded, vm.updated_at);
    rows::insert_job(session, job, db_->activation(), vm.updated_at);
    rows::update_vm(session, vm);
    if (reservation) rows::put_reservation(session, *reservation);
    return Ok{};
  }));
  if (!begun.superseded.empty()) jobs_.erase(begun.superseded);
  jobs_.emplace(job.id, job);
  if (reservation) reservations_[vm.id] = *reservation;
  begun.job = job;
  begun.vm = memory_.put(std::move(vm));
  return begun;
}

// True when something changed that people or schedulers see.
bool SqliteStore::observe(VmRecord& vm, const core::VmReport& report, bool of_job) {
  if (report.missing || report.deleted) return false;
  // A first start that failed leaves no folder behind on the node: the VM is as it was, created.
  if (report.incarnation != vm.incarnation && !(of_job && report.incarnation == 0)) return false;
  const bool same_session = report.session == vm.observed.session;
  if (same_session && report.seq <= vm.observed.seq) return false;
  const bool first_start_failed =
      of_job && report.status.state == VmState::shutdown && vm.observed.status.state == VmState::created;
  vm.observed.session = report.session;
  vm.observed.seq = report.seq;
  vm.observed.observed_at = report.observed_at;
  vm.observed.incarnation = report.incarnation;
  vm.observed.status = report.status;
  if (first_start_failed && report.incarnation == 0) vm.observed.status.state = VmState::created;
  if (report.resolved && !vm.resolved) vm.resolved = report.resolved;
  return true;
}

void SqliteStore::settle_reservation(const VmPtr& vm) {
  const auto found = reservations_.find(vm->id);
  if (found == reservations_.end() || may_run(vm->observed.status.state) || !vm->job_id.empty()) return;
  reservations_.erase(found);
  db_->later([id = vm->id](Session& session) { rows::delete_reservation(session, id); });
}

void SqliteStore::save_later(const VmPtr& vm) {
  db_->later([vm](Session& session) { rows::update_vm(session, *vm); });
}

VmPtr SqliteStore::finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return nullptr;
  const JobRecord job = found->second;
  jobs_.erase(found);
  const std::string at = now_text();
  db_->later([job_id, state, at](Session& session) { rows::finish_job(session, job_id, state, at); });
  VmPtr vm = memory_.update(job.vm_id, [&](VmRecord& changed) {
    changed.activity.clear();
    changed.job_id.clear();
    changed.updated_at = at;
    if (state == JobState::failed) {
      const std::int64_t revision = changed.desired.revision;
      changed.desired = job.before;
      changed.desired.revision = revision;
    }
    if (report) observe(changed, *report, true);
    // Without a word from the node a start that failed before it got there has changed nothing.
    return true;
  });
  if (!vm) return nullptr;
  save_later(vm);
  settle_reservation(vm);
  return vm;
}

VmPtr SqliteStore::apply_report(const std::string& host_id, const core::VmReport& report) {
  const std::lock_guard lock(mutex_);
  bool important = false;
  const VmPtr vm = memory_.update(report.vm, [&](VmRecord& changed) {
    if (changed.host_id != host_id) return false;
    const VmState before = changed.observed.status.state;
    if (!observe(changed, report, false)) return false;
    const VmStatus& status = changed.observed.status;
    important = before != status.state;
    // A guest that powered itself off meant it; a crash isn't a wish.
    if (status.state == VmState::shutdown && changed.desired.state != VmState::shutdown && changed.job_id.empty() &&
        status.exit && status.exit->kind == ExitKind::exited && status.exit->code == 0)
      changed.desired = {VmState::shutdown, Origin::guest, changed.desired.revision};
    return true;
  });
  if (!vm) return nullptr;
  if (important) save_later(vm);
  settle_reservation(vm);
  return vm;
}

void SqliteStore::lose_host(const std::string& host_id, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  for (const VmPtr& vm : memory_.vms()) {
    if (vm->host_id != host_id || !may_run(vm->observed.status.state)) continue;
    memory_.update(vm->id, [&](VmRecord& changed) {
      changed.observed.status.state = VmState::unknown;
      changed.observed.status.status_reason = reason;
      changed.observed.session.clear();  // the node's next snapshot counts, even if nothing has changed since
      changed.observed.status.can.clear();
      return true;
    });
  }
}

void SqliteStore::missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) {
  const std::lock_guard lock(mutex_);
  for (const VmPtr& vm : memory_.vms()) {
    if (vm->host_id != host_id || !may_run(vm->observed.status.state) || !vm->job_id.empty()) continue;
    if (std::find(seen.begin(), seen.end(), vm->id) != seen.end()) continue;
    memory_.update(vm->id, [&](VmRecord& changed) {
      changed.observed.status = {};
      changed.observed.status.state = VmState::unknown;
      changed.observed.status.status_reason =
          "missing: its node has no folder for it; delete it, or restore the node's data folder";
      return true;
    });
  }
}

Result<HostPtr> SqliteStore::add_host(const NewHostInput& input) {
  HostRecord host;
  host.id = core::new_uuid();
  host.name = input.name;
  host.address = input.address;
  host.port = input.port;
  host.host_user = input.host_user;
  const std::lock_guard lock(mutex_);
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    if (rows::insert_host(session, host, now_text())) return Ok{};
    return make_error(Code::already_exists, "there is a host named " + host.name + " already; choose another name",
                      "name-taken");
  }));
  const std::string id = host.id;
  memory_.put(std::move(host));
  return memory_.host(id);
}

Status SqliteStore::pin_node(const std::string& host_id, const std::string& node_id) {
  const std::lock_guard lock(mutex_);
  for (const HostPtr& other : memory_.hosts())
    if (other->id != host_id && other->node_id == node_id)
      return make_error(
          Code::already_exists,
          "this node is host " + other->name + " already; a cloned data folder needs an identity of its own",
          "node-taken");
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    rows::pin_node(session, host_id, node_id);
    return Ok{};
  }));
  memory_.update_host(host_id, [&](HostRecord& host) { host.node_id = node_id; });
  return Ok{};
}

void SqliteStore::update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                              const std::optional<core::NodeInfo>& info) {
  memory_.update_host(host_id, [&](HostRecord& host) {
    host.status = status;
    host.status_reason = reason;
    if (info) host.info = info;
    if (status == HostStatus::up) host.last_seen = now_text();
  });
}

std::vector<std::pair<std::string, std::int64_t>> SqliteStore::tombstones(const std::string& host_id) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::int64_t>> out;
  for (const auto& [vm, stone] : tombstones_)
    if (stone.first == host_id) out.emplace_back(vm, stone.second);
  return out;
}

Status SqliteStore::drop_tombstone(const std::string& vm_id) {
  const std::lock_guard lock(mutex_);
  QARAX_CHECK(db_->transact([&](Session& session) -> Status {
    rows::delete_tombstone(session, vm_id);
    return Ok{};
  }));
  tombstones_.erase(vm_id);
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(const std::string& path) {
  QARAX_TRY(auto db, SqliteDb::open(path));
  try {
    return std::unique_ptr<Store>(std::make_unique<SqliteStore>(std::move(db)));
  } catch (const Poco::Exception& e) {
    return make_error(Code::data_loss, "the database " + path + " can't be read: " + e.displayText());
  } catch (const rows::BadRow& e) {
    return make_error(Code::data_loss, "the database " + path + " holds a damaged row: " + e.what());
  }
}

}  // namespace qarax::server
