// Loading, VMs and jobs.
#include "sql_store.hpp"

#include <algorithm>

#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "rows.hpp"

namespace qarax::server {

using Poco::Data::Session;

namespace {
std::string now_text() { return core::to_rfc3339(std::chrono::system_clock::now()); }
}  // namespace

Result<std::unique_ptr<Store>> SqlStore::load_from(std::unique_ptr<Database> db, const std::string& name) {
  try {
    return std::unique_ptr<Store>(new SqlStore(std::move(db)));
  } catch (const Poco::Exception& e) {
    return make_error(Code::data_loss, "the database " + name + " can't be read: " + e.displayText());
  } catch (const rows::BadRow& e) {
    return make_error(Code::data_loss, "the database " + name + " holds a damaged row: " + e.what());
  }
}

void SqlStore::load() {
  Session& session = db_->session();
  for (auto& host : rows::read_hosts(session)) memory_.put(std::move(host));
  for (auto& job : rows::read_unfinished_jobs(session)) jobs_.emplace(job.id, std::move(job));
  for (auto& reservation : rows::read_reservations(session))
    reservations_.emplace(reservation.vm_id, std::move(reservation));
  tombstones_ = rows::read_tombstones(session);
  for (auto& vm : rows::read_vms(session)) {
    next_order_ = std::max(next_order_, vm.order + 1);
    // What ran when this server's predecessor ended may do anything by now: its node will say.
    if (vm.observed.status.state == VmState::running || vm.observed.status.state == VmState::paused)
      lose_sight(vm, "not heard of since the server's start");
    for (const auto& [id, job] : jobs_) {
      if (job.vm_id != vm.id) continue;
      vm.activity = core::to_string(job.action);
      vm.job_id = id;
      // It may have got to the node, and may run: nothing else is known until the node says so.
      if (job.action == core::Action::start) lose_sight(vm, "its start was under way when the server ended");
    }
    if (vm.observed.status.state == VmState::unknown) vm.observed.session.clear();
    memory_.put(std::move(vm));
  }
  judge_read_only();
}

Status SqlStore::check() {
  return db_->transact({{}, [&](Session& session) -> Status {
                          rows::touch(session, db_->activation());
                          return Ok{};
                        }});
}

Result<VmPtr> SqlStore::create_vm(const NewVmInput& input) {
  // PostgreSQL's text ends there, and what was acknowledged must be what is kept.
  if (input.description && input.description->find('\0') != std::string::npos)
    return make_error(Code::invalid_argument, "the description holds a NUL character; leave it out", "validation");
  VmRecord vm;
  vm.id = core::new_uuid();
  vm.name = input.name;
  vm.description = input.description;
  vm.hypervisor = input.hypervisor;
  vm.boot_source_id = input.boot_source_id;
  vm.spec = input.spec;
  vm.restart = input.restart;
  vm.observed.status.state = VmState::created;
  vm.created_at = vm.updated_at = now_text();
  VmPtr made;
  QARAX_CHECK(db_->transact({{},
                             [&](Session& session) -> Status {
                               vm.order = next_order_++;
                               if (rows::insert_vm(session, vm)) return Ok{};
                               return make_error(Code::already_exists,
                                                 "there is a VM named " + vm.name +
                                                     " already; names are unique: choose another one, or delete that "
                                                     "VM",
                                                 "name-taken");
                             },
                             [&] { made = memory_.put(std::move(vm)); }}));
  return made;
}

Status SqlStore::remove_vm(const std::string& id, Removal how) {
  VmPtr vm;
  bool tombstone = false;
  return db_->transact({{id},
                        [&](Session& session) -> Status {
                          vm = memory_.vm(id);
                          if (!vm) return Ok{};
                          if (how == Removal::never_placed && vm->host_id)
                            return make_error(Code::aborted, "VM " + vm->name + " was started meanwhile", "changed");
                          tombstone = how == Removal::with_tombstone && vm->host_id;
                          rows::delete_vm(session, id);
                          if (tombstone)
                            rows::insert_tombstone(session, id, *vm->host_id, vm->revision + 1, now_text());
                          return Ok{};
                        },
                        [&] {
                          if (!vm) return;
                          if (tombstone) tombstones_[id] = {*vm->host_id, vm->revision + 1};
                          std::erase_if(jobs_, [&](const auto& item) { return item.second.vm_id == id; });
                          reservations_.erase(id);
                          memory_.erase(*vm);
                        }});
}

Result<VmPtr> SqlStore::set_desired(const std::string& id, VmState state) {
  VmPtr now = memory_.vm(id);
  if (!now) return make_error(Code::not_found, "there is no VM " + id, "vm-not-found");
  if (now->desired.state == state && now->desired.origin == Origin::user) return now;
  std::optional<VmRecord> changed;
  QARAX_CHECK(db_->transact({{id},
                             [&](Session& session) -> Status {
                               now = memory_.vm(id);
                               // A job that came in between says what is wanted now.
                               if (!now || !now->job_id.empty()) return Ok{};
                               changed = *now;
                               changed->desired = {state, Origin::user, changed->revision};
                               changed->updated_at = now_text();
                               rows::update_vm(session, *changed);
                               return Ok{};
                             },
                             [&] {
                               if (!changed) return;
                               now = memory_.update(id, [&](VmRecord& vm) {
                                 vm.desired = changed->desired;
                                 vm.updated_at = changed->updated_at;
                                 return true;
                               });
                             }}));
  if (!now) return make_error(Code::not_found, "there is no VM " + id, "vm-not-found");
  return now;
}

std::vector<std::pair<std::string, std::int64_t>> SqlStore::tombstones(const std::string& host_id) const {
  const std::lock_guard lock(db_->state());
  std::vector<std::pair<std::string, std::int64_t>> out;
  for (const auto& [vm, stone] : tombstones_)
    if (stone.first == host_id) out.emplace_back(vm, stone.second);
  return out;
}

Status SqlStore::drop_tombstone(const std::string& vm_id) {
  return db_->transact({{vm_id},
                        [&](Session& session) -> Status {
                          rows::delete_tombstone(session, vm_id);
                          return Ok{};
                        },
                        [&] { tombstones_.erase(vm_id); }});
}

// What a job's transaction will have changed once it is committed.
struct SqlStore::Begin {
  VmRecord vm{};
  JobRecord job{};
  std::optional<Reservation> reservation{};
  std::string superseded{};
};

Status SqlStore::plan_job(Session& session, const BeginJob& asked, Begin& plan) {
  const VmPtr before = memory_.vm(asked.vm_id);
  if (!before) return make_error(Code::not_found, "there is no VM " + asked.vm_id, "vm-not-found");
  const JobRecord* unfinished = nullptr;
  if (const auto found = jobs_.find(before->job_id); found != jobs_.end()) unfinished = &found->second;
  if (unfinished != nullptr && core::precedence(asked.action) <= core::precedence(unfinished->action)) {
    Error error =
        make_error(Code::aborted,
                   "VM " + before->name + " is busy with " + std::string(core::to_string(unfinished->action)) +
                       " (job " + unfinished->id + "); ask again when it has finished",
                   "job-in-progress");
    error.details.push_back({"/job_id", unfinished->id});
    return error;
  }
  // A stop that came in between is a wish, whether it needed a job or not.
  const bool unwanted = asked.origin == Origin::policy && !wants_restart(*before, asked.was_calm);
  if (before->revision != asked.expected_revision || unwanted)
    return make_error(Code::aborted, "VM " + before->name + " was changed meanwhile", "changed");

  VmRecord& vm = plan.vm;
  JobRecord& job = plan.job;
  vm = *before;
  job.id = core::new_uuid();
  job.vm_id = vm.id;
  job.revision = vm.revision + 1;
  job.action = asked.action;
  job.timeout_ms = asked.timeout_ms;
  job.request_id = asked.request_id;
  job.before = unfinished != nullptr ? unfinished->before : vm.desired;
  vm.revision = job.revision;
  vm.desired = {core::target(asked.action), asked.origin, job.revision};
  vm.activity = core::to_string(asked.action);
  vm.job_id = job.id;
  vm.updated_at = now_text();
  // What the caller took for busy has come to its end: it has to find a place first.
  if (asked.action == core::Action::start && !asked.placement)
    return make_error(Code::aborted, "VM " + before->name + " was changed meanwhile", "changed");
  if (asked.placement) {
    ++vm.incarnation;
    if (asked.origin != Origin::policy || asked.was_calm) vm.restart.count = 0;
    if (asked.origin == Origin::policy) ++vm.restart.count;
    vm.host_id = asked.placement->host_id;
    if (vm.hypervisor.empty()) vm.hypervisor = asked.placement->hypervisor;
    vm.observed.hypervisor = asked.placement->hypervisor;
    if (!asked.placement->fallback_reason.empty()) vm.observed.fallback_reason = asked.placement->fallback_reason;
    plan.reservation = Reservation{vm.id, *vm.host_id, vm.incarnation, asked.placement->memory};
    std::int64_t taken = 0;
    for (const auto& [id, other] : reservations_)
      if (other.host_id == *vm.host_id && id != vm.id) taken += other.memory;
    if (taken + asked.placement->memory > asked.placement->capacity)
      return make_error(Code::resource_exhausted, "the host's memory was taken by another VM meanwhile",
                        "no-host-fits");
  }
  job.incarnation = vm.incarnation;
  if (unfinished != nullptr) plan.superseded = unfinished->id;
  if (!plan.superseded.empty()) rows::finish_job(session, plan.superseded, JobState::superseded, vm.updated_at);
  rows::insert_job(session, job, db_->activation(), vm.updated_at);
  rows::update_vm(session, vm);
  if (plan.reservation) rows::put_reservation(session, *plan.reservation);
  return Ok{};
}

// What the job changes, on top of what the node has reported since it was planned.
VmPtr SqlStore::publish(const Begin& plan) {
  return memory_.update(plan.vm.id, [&](VmRecord& vm) {
    vm.revision = plan.vm.revision;
    vm.incarnation = plan.vm.incarnation;
    vm.host_id = plan.vm.host_id;
    vm.hypervisor = plan.vm.hypervisor;
    vm.observed.hypervisor = plan.vm.observed.hypervisor;
    vm.observed.fallback_reason = plan.vm.observed.fallback_reason;
    vm.desired = plan.vm.desired;
    vm.restart.count = plan.vm.restart.count;
    vm.activity = plan.vm.activity;
    vm.job_id = plan.vm.job_id;
    vm.updated_at = plan.vm.updated_at;
    return true;
  });
}

Result<BegunJob> SqlStore::begin_job(const BeginJob& asked) {
  Begin plan;
  BegunJob begun;
  // Two starts on one host don't plan side by side: each must see what the other has reserved.
  std::vector<std::string> keys{asked.vm_id};
  if (asked.placement) keys.push_back(asked.placement->host_id);
  QARAX_CHECK(db_->transact({std::move(keys), [&](Session& session) { return plan_job(session, asked, plan); },
                             [&] {
                               if (!plan.superseded.empty()) jobs_.erase(plan.superseded);
                               jobs_.emplace(plan.job.id, plan.job);
                               if (plan.reservation) reservations_[plan.vm.id] = *plan.reservation;
                               begun = {plan.job, publish(plan), plan.superseded};
                             }}));
  return begun;
}

VmPtr SqlStore::finish_job(const std::string& job_id, JobState state, const std::optional<core::VmReport>& report) {
  const std::lock_guard lock(db_->state());
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return nullptr;
  const JobRecord job = found->second;
  jobs_.erase(found);
  const std::string at = now_text();
  const bool current = report && is_current(*report);
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
    if (current) observe(changed, *report, true);
    // Without a word from the node a start that failed before it got there has changed nothing.
    return true;
  });
  if (!vm) return nullptr;
  save_later(vm->id);
  settle_reservation(vm);
  return vm;
}

}  // namespace qarax::server
