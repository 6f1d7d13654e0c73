// Users' edits of VMs and hosts, and the removal of hosts.
#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "record_action.hpp"
#include "rows.hpp"
#include "some_of.hpp"
#include "store_begin.hpp"

namespace qarax::server {

namespace {

Error in_use(const HostRecord& host, const std::vector<VmPtr>& there) {
  return make_error(
      Code::failed_precondition,
      "host " + host.name + " has VMs: " + some_of(there, [](const VmPtr& vm) { return vm->name; }) +
          "; delete them first" +
          (host.status == HostStatus::up ? " (DELETE /vms/{id})"
                                         : ", or, where the host never comes back, forget them with it (?forget=true)"),
      "host-in-use");
}

template <class T>
bool is_same(const T& a, const T& b) {
  return a == b;
}
bool is_same(const VmSpec& a, const VmSpec& b) { return encode(a, Defaults::write) == encode(b, Defaults::write); }
bool is_same(const std::optional<VmSpec>& a, const std::optional<VmSpec>& b) {
  return a && b ? is_same(*a, *b) : a.has_value() == b.has_value();
}

// Copies only what the edit has changed. While it was being found out whether the edit was committed, a resize or a
// restore may have ended and changed the rest.
void take_changes(const VmRecord& before, const VmRecord& after, VmRecord& vm) {
  const auto take = [&](auto member) {
    if (!is_same(before.*member, after.*member)) vm.*member = after.*member;
  };
  take(&VmRecord::hypervisor);
  take(&VmRecord::spec);
  take(&VmRecord::resolved);
  take(&VmRecord::draft_since);
  take(&VmRecord::boot_source_id);
  take(&VmRecord::revision);
  if (before.observed.fallback_reason != after.observed.fallback_reason)
    vm.observed.fallback_reason = after.observed.fallback_reason;
}

}  // namespace

Result<VmPtr> SqlStore::edit_vm(const EditVm& edit) {
  VmPtr before;
  std::optional<VmRecord> changed;
  Job job = job_done_at_once(kEditVm);
  job.vm_id = edit.vm_id;
  VmPtr after;
  QARAX_CHECK(db_->transact({{edit.vm_id},
                             [&](Session& session) -> Status {
                               before = memory_.vm(edit.vm_id);
                               if (!before) return no_such_vm(edit.vm_id);
                               if (edit.expected_version && before->version != *edit.expected_version)
                                 return overtaken("VM", before->name);
                               changed = *before;
                               if (Status done = edit.change(*changed); !done) return done;
                               if (changed->description && changed->description->find('\0') != std::string::npos)
                                 return make_error(Code::invalid_argument,
                                                   "the description holds a NUL character; leave it out", "validation");
                               if (rows::is_name_taken(session, *changed)) return name_taken("VM", changed->name);
                               changed->updated_at = now_text();
                               changed->edition = next_edition(*changed);
                               if (edit.only_check) return Ok{};
                               job.vm_name = changed->name;
                               rows::edit_vm(session, *changed);
                               rows::insert_job(session, job, changed->desired, 0, ran_.seconds());
                               events_.add(events::vm_changed(*changed, job.id));
                               return Ok{};
                             },
                             [&] {
                               if (edit.only_check) {
                                 after = std::make_shared<const VmRecord>(std::move(*changed));
                                 return;
                               }
                               book_.put(std::move(job));
                               after = memory_.update(edit.vm_id, [&](VmRecord& vm) {
                                 vm.name = changed->name;
                                 vm.description = changed->description;
                                 vm.tags = changed->tags;
                                 vm.restart.policy = changed->restart.policy;
                                 vm.restart.limit = changed->restart.limit;
                                 take_changes(*before, *changed, vm);
                                 vm.edition = changed->edition;
                                 vm.updated_at = changed->updated_at;
                                 return true;
                               });
                             }}));
  return after;
}

Result<HostPtr> SqlStore::edit_host(const EditHost& edit) {
  // A host that moved after the backup can be heard, or adopted, only at its new address.
  const HostPtr before = memory_.host(edit.host_id);
  const bool is_waited_for = before && !before->needs_adopt.empty();
  std::optional<HostRecord> changed;
  Job job = job_done_at_once(kEditHost);
  job.host_id = edit.host_id;
  HostPtr after;
  QARAX_CHECK(db_->transact({{edit.host_id},
                             [&](Session& session) -> Status {
                               const HostPtr now = memory_.host(edit.host_id);
                               if (!now) return no_such_host(edit.host_id);
                               if (edit.expected_version && now->version != *edit.expected_version)
                                 return overtaken("host", now->name);
                               changed = *now;
                               if (Status done = edit.change(*changed); !done) return done;
                               if (rows::is_name_taken(session, *changed)) return name_taken("host", changed->name);
                               if (edit.only_check) return Ok{};
                               rows::edit_host(session, *changed);
                               rows::insert_job(session, job, {}, 0, ran_.seconds());
                               events_.add(events::host_changed(*changed, job.id));
                               return Ok{};
                             },
                             [&] {
                               if (edit.only_check) {
                                 after = std::make_shared<const HostRecord>(std::move(*changed));
                                 return;
                               }
                               book_.put(std::move(job));
                               after = memory_.update_host(edit.host_id, [&](HostRecord& host) {
                                 host.name = changed->name;
                                 host.address = changed->address;
                                 host.port = changed->port;
                                 host.host_user = changed->host_user;
                               });
                             },
                             is_waited_for}));
  return after;
}

Status SqlStore::plan_host_removal(Session& session, const RemoveHost& asked, RemovedHost& plan) {
  const std::string& id = asked.host_id;
  const HostPtr host = memory_.host(id);
  if (!host) return no_such_host(id);
  if (asked.expected_version && host->version != *asked.expected_version) return overtaken("host", host->name);
  std::vector<VmPtr> there = memory_.vms();
  std::erase_if(there, [&](const VmPtr& vm) { return vm->host_id != id; });
  if (!there.empty() && (!asked.with_vms || host->status == HostStatus::up)) return in_use(*host, there);
  if (asked.only_check) return Ok{};
  for (const VmPtr& vm : there)
    QARAX_CHECK(plan_removal(session, vm->id, Removal::with_host, std::nullopt, plan.vms.emplace_back()));
  rows::delete_host(session, id);
  rows::insert_job(session, plan.job, {}, 0, ran_.seconds());
  events_.add(events::host_removed(*host, plan.job.id));
  if (!host->needs_adopt.empty()) plan.next = begin_next_term(session, 0);
  return Ok{};
}

Status SqlStore::remove_host(const RemoveHost& asked) {
  const std::string& id = asked.host_id;
  RemovedHost plan;
  plan.job = job_done_at_once(kRemoveHost);
  plan.job.host_id = id;
  const HostPtr host = memory_.host(id);
  // Holding the keys of the host and of its VMs, this comes as a whole before or after any change of those VMs. A start
  // of another VM there takes the host's key too.
  std::vector<std::string> keys{id};
  for (const VmPtr& vm : memory_.vms())
    if (vm->host_id == id) keys.push_back(vm->id);
  if (host && !host->needs_adopt.empty()) keys.emplace_back(kSetBackKey);
  return db_->transact({.keys = std::move(keys),
                        .work = [&](Session& session) { return plan_host_removal(session, asked, plan); },
                        .publish =
                            [&] {
                              if (asked.only_check) return;
                              for (Removed& vm : plan.vms) publish(vm);
                              book_.put(std::move(plan.job));
                              std::erase_if(tombstones_, [&](const auto& one) {
                                const bool goes = one.second.host_id == id;
                                if (goes) free_forgotten(one.first);
                                return goes;
                              });
                              memory_.erase_host(id);
                              if (plan.next) publish(*plan.next);
                            },
                        .while_read_only = host && !host->needs_adopt.empty(),
                        .frees = true});
}

}  // namespace qarax::server
