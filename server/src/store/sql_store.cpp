// Loading the store, and VMs.
#include <algorithm>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "record_action.hpp"
#include "rows.hpp"
#include "store_begin.hpp"
#include "vm_transitions.hpp"

namespace qarax::server {

namespace {

constexpr const char* kForgotten = "forgotten ";

bool needs_nothing_for(const VmRecord& vm, core::Action action) {
  return vm.job_id.empty() && core::judge(action, vm.observed.status.state) == core::Verdict::no_change;
}

}  // namespace

Result<std::unique_ptr<Store>> SqlStore::load_from(std::unique_ptr<Database> db, const std::string& name,
                                                   ClockPtr clock) {
  std::unique_ptr<SqlStore> store(new SqlStore(std::move(db), std::move(clock)));
  try {
    store->load();
    return std::unique_ptr<Store>(std::move(store));
  } catch (const Poco::Exception& e) {
    return store->db_->unreadable(e);
  } catch (const rows::BadRow& e) {
    return make_error(Code::data_loss, "the database " + name + " holds a damaged row: " + e.what());
  }
}

void SqlStore::load() {
  Session& session = db_->session();
  ran_.load(session);
  events_.load(session);
  db_->set_trailer(events_);
  std::vector<std::pair<VmPtr, VmState>> changed;
  for (auto& host : rows::read_hosts(session)) memory_.put(std::move(host));
  load_jobs(session);
  for (auto& reservation : rows::read_reservations(session)) reservations_.put(std::move(reservation));
  for (const auto& stone : rows::read_tombstones(session)) {
    tombstones_.emplace(stone.vm_id, stone);
    reserve_forgotten(stone);
  }
  order_lead_ = rows::read_order_lead(session);
  for (auto& snapshot : rows::read_snapshots(session)) keep_snapshot(std::move(snapshot));
  for (auto& vm : rows::read_vms(session)) {
    const VmState stored = vm.observed.status.state;
    // A VM that ran when the previous server ended may be in any state by now: its node will report it.
    if (core::has_vmm(vm.observed.status.state))
      lose_sight(vm, "not heard of since the server's start", clock_->wall());
    for (const auto& [id, job] : jobs_) {
      if (job.vm_id != vm.id) continue;
      vm.activity = core::to_string(job.action);
      vm.job_id = id;
      // The start may have reached the node, and the VM may run: its state is unknown until the node reports it.
      if (core::begins(job.action)) lose_sight(vm, "its start was under way when the server ended", clock_->wall());
    }
    if (vm.observed.status.state == VmState::unknown) vm.observed.session.clear();
    const VmPtr now = memory_.put(std::move(vm));
    if (now->observed.status.state != stored) changed.push_back({now, stored});
  }
  judge_read_only();
  end_orphaned_jobs();
  for (const auto& [vm, before] : changed) save_later(vm->id, {events::vm_status_changed(*vm, before)});
  db_->serve();
}

Status SqlStore::check() {
  return db_->transact({.work = [&](Session& session) -> Status {
    db_->leave_mark(session);
    return Ok{};
  }});
}

void SqlStore::flush() {
  db_->later([this](Session& session) { ran_.save(session); });
  db_->flush();
}

Result<VmPtr> SqlStore::create_vm(const NewVmInput& input) {
  // PostgreSQL's text can't hold a NUL, and what was acknowledged must be what is stored.
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
  vm.tags = input.tags;
  vm.edition = 1;
  vm.observed.status.state = VmState::created;
  vm.created_at = vm.updated_at = now_text();
  if (input.only_check) {
    QARAX_CHECK(db_->transact({.work = [&](Session& session) -> Status {
      if (rows::is_name_taken(session, vm)) return name_taken("VM", vm.name);
      return Ok{};
    }}));
    return std::make_shared<const VmRecord>(std::move(vm));
  }
  Job job = job_done_at_once(kCreateVm);
  job.vm_id = vm.id;
  job.vm_name = vm.name;
  const std::string job_id = job.id;
  VmPtr made;
  QARAX_CHECK(transact({.work = [&](Session& session) -> Status {
                          vm.order = next_order();
                          if (!rows::insert_vm(session, vm)) return name_taken("VM", vm.name);
                          rows::insert_job(session, job, vm.desired, 0, ran_.seconds());
                          events_.add(events::vm_created(vm, job_id));
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              made = memory_.put(std::move(vm));
                              book_.put(std::move(job));
                            }},
                       job_id));
  return made;
}

Status SqlStore::plan_removal(Session& session, const std::string& id, Removal how,
                              std::optional<std::uint64_t> expected_version, Removed& plan) {
  plan.vm = memory_.vm(id);
  if (!plan.vm) return Ok{};
  const VmRecord& vm = *plan.vm;
  if (expected_version && vm.version != *expected_version) return overtaken("VM", vm.name);
  if (how == Removal::never_placed && vm.host_id)
    return make_error(Code::aborted, "VM " + vm.name + " was started meanwhile", "changed");
  if (how == Removal::with_tombstone && vm.host_id) {
    const auto reserved = reservations_.of(id);
    plan.tombstone = {id, *vm.host_id, vm.revision + 1, reserved ? reserved->memory : 0};
  }
  rows::delete_vm(session, id);
  if (plan.tombstone) rows::insert_tombstone(session, *plan.tombstone, now_text());
  // A delete job that the node has carried out is completed by this; other unfinished jobs have lost their VM.
  std::string& by = plan.by;
  for (const auto& [job_id, job] : jobs_) {
    if (job.vm_id != id) continue;
    const bool done = how == Removal::by_job && job.action == core::Action::remove;
    if (done) by = job_id;
    plan.ended.push_back(ended_job(job_id, done ? JobState::completed : JobState::superseded, std::nullopt));
    rows::finish_job(session, plan.ended.back(), ran_.seconds());
    events_.add(events::job_finished(plan.ended.back(), &vm));
  }
  if (by.empty()) {
    Job job = job_done_at_once(core::to_string(core::Action::remove));
    job.vm_id = id;
    job.vm_name = vm.name;
    job.host_id = vm.host_id.value_or("");
    by = job.id;
    rows::insert_job(session, job, vm.desired, 0, ran_.seconds());
    plan.ended.push_back(std::move(job));
  }
  events_.add(events::vm_deleted(vm, by));
  return Ok{};
}

Result<std::string> SqlStore::remove_vm(const std::string& id, Removal how,
                                        std::optional<std::uint64_t> expected_version) {
  Removed plan;
  QARAX_CHECK(
      db_->transact({.keys = {id},
                     .work = [&](Session& session) { return plan_removal(session, id, how, expected_version, plan); },
                     .publish = [&] { publish(plan); },
                     .frees = true}));
  return std::move(plan.by);
}

void SqlStore::publish(Removed& plan) {
  if (!plan.vm) return;
  const std::string& id = plan.vm->id;
  reservations_.erase(id);
  if (plan.tombstone) {
    tombstones_[id] = *plan.tombstone;
    reserve_forgotten(*plan.tombstone);
  }
  std::erase_if(jobs_, [&](const auto& item) { return item.second.vm_id == id; });
  std::erase_if(snapshots_, [&](const auto& item) { return item.second->vm_id == id; });
  memory_.erase(*plan.vm);
  // Jobs end after the VM is erased, so that callers who wait for them find it gone.
  for (Job& job : plan.ended) book_.put(std::move(job));
}

Result<VmPtr> SqlStore::set_desired(const std::string& id, core::Action action) {
  VmPtr now = memory_.vm(id);
  if (!now) return no_such_vm(id);
  const VmState state = core::target(action).value_or(now->desired.state);
  // A VM that was never started is off already; a stop doesn't change its desired state.
  const bool stays = now->desired.state == VmState::created && state == VmState::shutdown;
  if (stays || (now->desired.state == state && now->desired.origin == Origin::user)) return now;
  Job job = job_done_at_once(core::to_string(action));
  job.vm_id = id;
  const std::string job_id = job.id;
  std::optional<VmRecord> changed;
  QARAX_CHECK(transact({.keys = {id},
                        .work = [&](Session& session) -> Status {
                          now = memory_.vm(id);
                          if (!now) return no_such_vm(id);
                          // A start or stop may have begun and ended since the caller decided. The desired state
                          // would then be recorded, and nothing would carry it out.
                          if (!needs_nothing_for(*now, action)) return changed_meanwhile(now->name);
                          changed = *now;
                          const Desired before = now->desired;
                          changed->desired = {state, Origin::user, changed->revision};
                          changed->updated_at = now_text();
                          rows::update_vm(session, *changed);
                          job.vm_name = changed->name;
                          job.host_id = changed->host_id.value_or("");
                          job.revision = changed->revision;
                          job.incarnation = changed->incarnation;
                          rows::insert_job(session, job, before, 0, ran_.seconds());
                          events_.add(events::job_finished(job, &*changed));
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              book_.put(std::move(job));
                              now = memory_.update(id, [&](VmRecord& vm) {
                                vm.desired = changed->desired;
                                vm.updated_at = changed->updated_at;
                                return true;
                              });
                            },
                        .frees = state == VmState::shutdown},
                       job_id));
  return now;
}

std::vector<Tombstone> SqlStore::tombstones(const std::string& host_id) const {
  const std::lock_guard lock(db_->state());
  std::vector<Tombstone> out;
  for (const auto& [vm, stone] : tombstones_)
    if (stone.host_id == host_id) out.push_back(stone);
  return out;
}

Status SqlStore::drop_tombstone(const std::string& vm_id) {
  return db_->transact({.keys = {vm_id},
                        .work = [&](Session& session) -> Status {
                          rows::delete_tombstone(session, vm_id);
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              tombstones_.erase(vm_id);
                              free_forgotten(vm_id);
                            },
                        .frees = true});
}

// Reserved under a name of its own: another host's VM may be adopted under the forgotten one's id.
void SqlStore::reserve_forgotten(const Tombstone& stone) {
  if (stone.memory > 0) reservations_.put({kForgotten + stone.vm_id, stone.host_id, 0, stone.memory});
}

void SqlStore::free_forgotten(const std::string& vm_id) { reservations_.erase(kForgotten + vm_id); }

Status SqlStore::raise_tombstone(const std::string& vm_id, std::int64_t revision) {
  return db_->transact({.keys = {vm_id},
                        .work = [&](Session& session) -> Status {
                          rows::raise_tombstone(session, vm_id, revision);
                          return Ok{};
                        },
                        .publish = [&] { publish_raised(vm_id, revision); },
                        .frees = true});
}

void SqlStore::publish_raised(const std::string& vm_id, std::int64_t revision) {
  const auto stone = tombstones_.find(vm_id);
  if (stone != tombstones_.end()) stone->second.revision = std::max(stone->second.revision, revision);
}

}  // namespace qarax::server
