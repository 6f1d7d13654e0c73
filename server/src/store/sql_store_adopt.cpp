// A database that was set back, or lost, and how it catches up with what its nodes know.
#include <algorithm>
#include <chrono>

#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "rows.hpp"
#include "some_of.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {

Error changed(const std::string& vm) {
  return make_error(Code::aborted, "VM " + vm + " was changed since the plan was made; make it anew", "plan-changed");
}

std::string listed(const std::vector<HostPtr>& hosts) {
  return (hosts.size() == 1 ? "host " : "hosts ") +
         some_of(hosts, [](const HostPtr& host) { return host->name + " (" + host->id + ")"; });
}

}  // namespace

void SqlStore::judge_read_only() {
  std::string why;
  std::vector<HostPtr> awaited;
  for (const HostPtr& host : memory_.hosts()) {
    if (is_awaited(*host))
      awaited.push_back(host);
    else if (why.empty() && !host->needs_adopt.empty())
      why = "this database was set back: " + host->needs_adopt + ". Look at the plan that POST /hosts/" + host->id +
            "/adopt makes, and confirm it; or forget that host if it never comes back (DELETE /hosts/" + host->id + ")";
  }
  if (!awaited.empty())
    why = (why.empty() ? "this database was set back" : why) + "; what was done since on " + listed(awaited) +
          " isn't known yet. Bring each of them back, or forget one that never comes back (DELETE "
          "/hosts/{id}?forget=true)";
  if (!why.empty()) why += ". One that is at another address now is told so first (PATCH /hosts/{id})";
  db_->set_read_only(std::move(why));
}

SqlStore::NextTerm SqlStore::begin_next_term(Session& session, std::int64_t above) {
  NextTerm out;
  out.activation = db_->activation();
  out.activation.term = std::max(out.activation.term, above) + 1;
  out.activation.id = core::new_uuid();
  db_->may_become(out.activation);
  rows::begin_term(session, out.activation);
  out.epoch = events_.stored_epoch(session);
  return out;
}

void SqlStore::publish(const NextTerm& next) {
  db_->become(next.activation);
  feed_.begin_epoch(next.epoch);
  judge_read_only();
}

Result<bool> SqlStore::knows_activation(const std::string& id) {
  bool known = false;
  QARAX_CHECK(db_->transact({.work = [&](Session& session) -> Status {
                               known = rows::has_activation(session, id);
                               return Ok{};
                             },
                             .while_read_only = true}));
  return known;
}

// The number first: an adopt that comes in between begins a new activation above it.
Progress SqlStore::progress() const {
  const std::int64_t position = feed_.last().seq;
  return {db_->activation(), position};
}

Result<std::optional<std::int64_t>> SqlStore::end_of_activation(const std::string& id) {
  std::optional<std::int64_t> end;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    end = rows::end_of_activation(session, id);
    return Ok{};
  }));
  return end;
}

Result<std::optional<std::int64_t>> SqlStore::end_of_epoch(std::int64_t epoch) {
  std::optional<std::int64_t> end;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    end = rows::end_of_epoch(session, epoch);
    return Ok{};
  }));
  return end;
}

Status SqlStore::mark_set_back(const std::string& host_id, const std::string& proof) {
  const HostPtr host = memory_.host(host_id);
  if (!host || (!host->needs_adopt.empty() && !is_awaited(*host))) return Ok{};
  core::logger("store")->error("the database was set back; nothing is changed until an adopt host={} name={} proof={}",
                               host_id, host->name, core::log_value(proof));
  std::vector<std::string> awaited;
  return db_->transact({.keys = {std::string(kSetBackKey)},
                        .work = [&](Session& session) -> Status {
                          rows::set_needs_adopt(session, host_id, proof);
                          awaited.clear();
                          for (const HostPtr& other : memory_.hosts()) {
                            if (other->id == host_id || other->heard || !other->needs_adopt.empty()) continue;
                            rows::set_needs_adopt(session, other->id, std::string(kAwaited));
                            awaited.push_back(other->id);
                          }
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              memory_.update_host(host_id, [&](HostRecord& one) { one.needs_adopt = proof; });
                              for (const std::string& id : awaited) await_unheard(id);
                              judge_read_only();
                            },
                        .while_read_only = true});
}

// A host that was heard while it was found out whether the proof's commit took effect is marked in the database alone.
void SqlStore::await_unheard(const std::string& host_id) {
  memory_.update_host(host_id, [&](HostRecord& host) {
    if (!host.heard) host.needs_adopt = kAwaited;
  });
  const HostPtr host = memory_.host(host_id);
  if (!host || !host->heard) return;
  db_->later([this, host_id](Session& session) {
    // Unless it has proved something by then.
    if (const HostPtr now = memory_.host(host_id); now && now->needs_adopt.empty())
      rows::set_needs_adopt(session, host_id, "");
  });
}

Status SqlStore::hear(const std::string& host_id) {
  {
    // Nothing to write: it can't fail, and costs no transaction. A mark_set_back() sees it, or marks the host first.
    const std::lock_guard lock(db_->state());
    const HostPtr host = memory_.host(host_id);
    if (!host) return Ok{};
    if (!is_awaited(*host)) {
      if (!host->heard) memory_.update_host(host_id, [](HostRecord& one) { one.heard = true; });
      return Ok{};
    }
  }
  return db_->transact({.keys = {std::string(kSetBackKey)},
                        .work = [&](Session& session) -> Status {
                          const HostPtr now = memory_.host(host_id);
                          if (now && is_awaited(*now)) rows::set_needs_adopt(session, host_id, "");
                          return Ok{};
                        },
                        .publish =
                            [&] {
                              memory_.update_host(host_id, [](HostRecord& one) {
                                one.heard = true;
                                if (is_awaited(one)) one.needs_adopt.clear();
                              });
                              judge_read_only();
                            },
                        .while_read_only = true});
}

Status SqlStore::write_adopted(Session& session, const Adoption& adoption, VmRecord& vm, std::vector<Job>& ended) {
  const VmPtr there = memory_.vm(vm.id);
  const auto seen = adoption.records.find(vm.id);
  const bool expected = seen != adoption.records.end();
  if (expected != (there != nullptr)) return changed(vm.name);
  if (there && (there->revision != seen->second.revision || there->edition != seen->second.edition))
    return changed(vm.name);
  if (there) {
    rows::redefine_vm(session, vm);
    fail_jobs_of(session, vm.id, ended);
  } else {
    vm.order = next_order();
    if (!rows::insert_vm(session, vm)) return name_taken("VM", vm.name);
    events_.add(events::vm_created(vm, ""));
  }
  rows::update_vm(session, vm);
  for (const SnapshotRecord& snapshot : adoption.snapshots)
    if (snapshot.vm_id == vm.id) rows::put_snapshot(session, snapshot);
  if (const auto memory = adoption.memory.find(vm.id); memory != adoption.memory.end())
    rows::put_reservation(session, {vm.id, adoption.host_id, vm.incarnation, memory->second});
  return Ok{};
}

void SqlStore::publish_adopted(const Adoption& adoption, VmRecord vm) {
  for (const SnapshotRecord& snapshot : adoption.snapshots)
    if (snapshot.vm_id == vm.id) keep_snapshot(snapshot);
  if (const auto memory = adoption.memory.find(vm.id); memory != adoption.memory.end())
    reservations_.put({vm.id, adoption.host_id, vm.incarnation, memory->second});
  memory_.put(std::move(vm));
}

// Of a VM that is defined anew or forgotten; under state().
void SqlStore::fail_jobs_of(Session& session, const std::string& vm_id, std::vector<Job>& ended) {
  for (const auto& [id, job] : jobs_) {
    if (job.vm_id != vm_id) continue;
    ended.push_back(ended_job(id, JobState::failed,
                              make_error(Code::aborted, "its VM was adopted or forgotten meanwhile", "superseded")));
    rows::finish_job(session, ended.back(), ran_.seconds());
    events_.add(events::job_finished(ended.back(), nullptr));
  }
}

Result<std::string> SqlStore::adopt(const Adoption& adoption) {
  std::vector<VmRecord> vms = adoption.vms;
  std::vector<std::string> keys = adoption.forgotten;
  for (const VmRecord& vm : vms) keys.push_back(vm.id);
  for (const auto& [id, revision] : adoption.buried) keys.push_back(id);
  keys.push_back(adoption.host_id);
  if (adoption.above_term) keys.emplace_back(kSetBackKey);
  std::optional<NextTerm> next;
  const std::string at = now_text();
  // Of a whole host the node has to be told as well; a single VM is done with this.
  Job job = adoption.above_term ? new_job(to_string(HostAction::adopt_host))
                                : job_done_at_once(to_string(HostAction::adopt_vm));
  job.host_id = adoption.host_id;
  job.outcome = adoption.outcome;
  if (!adoption.above_term && vms.size() == 1) {
    job.vm_id = vms.front().id;
    job.vm_name = vms.front().name;
  }
  const std::string job_id = job.id;
  std::vector<Job> ended;
  const Status done = transact(
      {.keys = keys,
       .work = [&](Session& session) -> Status {
         const HostPtr host = memory_.host(adoption.host_id);
         if (!host) return no_such_host(adoption.host_id);
         // First: one that is made here may have the name of one that goes.
         for (const std::string& id : adoption.forgotten) {
           if (const VmPtr vm = memory_.vm(id)) events_.add(events::vm_deleted(*vm, ""));
           fail_jobs_of(session, id, ended);
           rows::delete_vm(session, id);
         }
         for (VmRecord& vm : vms) {
           QARAX_CHECK(check_no_host_job(vm.id));
           vm.updated_at = at;
           if (vm.created_at.empty()) vm.created_at = at;
           QARAX_CHECK(write_adopted(session, adoption, vm, ended));
         }
         for (const auto& [id, revision] : adoption.buried) rows::raise_tombstone(session, id, revision);
         rows::insert_job(session, job, {}, 0, ran_.seconds());
         events_.add(adoption.above_term ? events::job_started(job, nullptr) : events::job_finished(job, nullptr));
         if (!adoption.above_term) return Ok{};
         next = begin_next_term(session, *adoption.above_term);
         rows::set_needs_adopt(session, adoption.host_id, "");
         return Ok{};
       },
       .publish =
           [&] {
             for (Job& one : ended) {
               jobs_.erase(one.id);
               book_.put(std::move(one));
             }
             for (const std::string& id : adoption.forgotten) {
               const VmPtr vm = memory_.vm(id);
               if (!vm) continue;
               reservations_.erase(id);
               std::erase_if(snapshots_, [&](const auto& item) { return item.second->vm_id == id; });
               memory_.erase(*vm);
             }
             for (const auto& [id, revision] : adoption.buried) publish_raised(id, revision);
             for (VmRecord& vm : vms) publish_adopted(adoption, std::move(vm));
             if (next) host_jobs_.insert(job_id);
             book_.put(std::move(job));
             if (!next) return;
             memory_.update_host(adoption.host_id, [](HostRecord& host) { host.needs_adopt.clear(); });
             publish(*next);
           },
       .while_read_only = true},
      job_id);
  if (!done) return done.error();
  return job_id;
}

}  // namespace qarax::server
