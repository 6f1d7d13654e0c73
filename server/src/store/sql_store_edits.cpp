// Changes of what users wrote of VMs and hosts.
#include "event_makers.hpp"
#include "qarax/core/clock.hpp"
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

using Poco::Data::Session;

namespace {

std::string now_text() { return core::to_rfc3339(std::chrono::system_clock::now()); }

Error name_taken(std::string_view kind, const std::string& name) {
  std::string text = "there is a ";
  text.append(kind).append(" named ").append(name).append(" already; names are unique: choose another one");
  return make_error(Code::already_exists, std::move(text), "name-taken");
}

}  // namespace

Error overtaken(std::string_view kind, const std::string& name) {
  std::string text(kind);
  text.append(" ").append(name).append(" isn't what If-Match names: it was changed meanwhile");
  return make_error(Code::aborted, std::move(text), "precondition-failed");
}

Result<VmPtr> SqlStore::edit_vm(const EditVm& edit) {
  std::optional<VmRecord> changed;
  Job job = job_done_at_once("edit");
  job.vm_id = edit.vm_id;
  VmPtr after;
  QARAX_CHECK(db_->transact({{edit.vm_id},
                             [&](Session& session) -> Status {
                               const VmPtr now = memory_.vm(edit.vm_id);
                               if (!now)
                                 return make_error(Code::not_found, "there is no VM " + edit.vm_id, "vm-not-found");
                               if (edit.expected_version && now->version != *edit.expected_version)
                                 return overtaken("VM", now->name);
                               changed = *now;
                               if (Status done = edit.change(*changed); !done) return done;
                               if (changed->description && changed->description->find('\0') != std::string::npos)
                                 return make_error(Code::invalid_argument,
                                                   "the description holds a NUL character; leave it out", "validation");
                               if (rows::is_name_taken(session, *changed)) return name_taken("VM", changed->name);
                               changed->updated_at = now_text();
                               if (edit.only_check) return Ok{};
                               job.vm_name = changed->name;
                               rows::edit_vm(session, *changed);
                               rows::insert_job(session, job, changed->desired, 0, db_->clock());
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
                                 vm.hypervisor = changed->hypervisor;
                                 vm.spec = changed->spec;
                                 vm.resolved = changed->resolved;
                                 vm.draft_since = changed->draft_since;
                                 vm.boot_source_id = changed->boot_source_id;
                                 vm.revision = changed->revision;
                                 vm.observed.fallback_reason = changed->observed.fallback_reason;
                                 vm.updated_at = changed->updated_at;
                                 return true;
                               });
                             }}));
  return after;
}

Result<HostPtr> SqlStore::edit_host(const EditHost& edit) {
  std::optional<HostRecord> changed;
  Job job = job_done_at_once("edit-host");
  job.host_id = edit.host_id;
  HostPtr after;
  QARAX_CHECK(db_->transact({{edit.host_id},
                             [&](Session& session) -> Status {
                               const HostPtr now = memory_.host(edit.host_id);
                               if (!now)
                                 return make_error(Code::not_found, "there is no host " + edit.host_id,
                                                   "host-not-found");
                               if (edit.expected_version && now->version != *edit.expected_version)
                                 return overtaken("host", now->name);
                               changed = *now;
                               if (Status done = edit.change(*changed); !done) return done;
                               if (rows::is_name_taken(session, *changed)) return name_taken("host", changed->name);
                               if (edit.only_check) return Ok{};
                               rows::edit_host(session, *changed);
                               rows::insert_job(session, job, {}, 0, db_->clock());
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
                             }}));
  return after;
}

Status SqlStore::remove_host(const std::string& id, std::optional<std::uint64_t> expected_version, bool only_check) {
  Job job = job_done_at_once("remove-host");
  job.host_id = id;
  return db_->transact(
      Database::freeing({{id},
                         [&](Session& session) -> Status {
                           const HostPtr now = memory_.host(id);
                           if (!now) return make_error(Code::not_found, "there is no host " + id, "host-not-found");
                           if (expected_version && now->version != *expected_version)
                             return overtaken("host", now->name);
                           std::string there;
                           std::size_t count = 0;
                           for (const VmPtr& vm : memory_.vms()) {
                             if (vm->host_id != id) continue;
                             if (++count <= 8) there.append(there.empty() ? "" : ", ").append(vm->name);
                           }
                           if (count > 8) there.append(" and ").append(std::to_string(count - 8)).append(" more");
                           if (count > 0)
                             return make_error(Code::failed_precondition,
                                               "host " + now->name + " has VMs: " + there +
                                                   "; delete them first (DELETE /vms/{id}, with ?forget=true where the "
                                                   "host never comes back)",
                                               "host-in-use");
                           if (only_check) return Ok{};
                           rows::delete_host(session, id);
                           rows::insert_job(session, job, {}, 0, db_->clock());
                           events_.add(events::host_removed(*now, job.id));
                           return Ok{};
                         },
                         [&] {
                           if (only_check) return;
                           book_.put(std::move(job));
                           std::erase_if(tombstones_, [&](const auto& one) { return one.second.first == id; });
                           memory_.erase_host(id);
                         }}));
}

}  // namespace qarax::server
