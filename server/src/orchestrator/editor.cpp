#include "editor.hpp"

#include <algorithm>

#include "api/patch.hpp"
#include "qarax/core/ids.hpp"
#include "refusals.hpp"
#include "scheduler.hpp"
#include "written.hpp"

namespace qarax::server {

namespace {

constexpr std::string_view kAnyTime[] = {"name", "description", "restart_policy", "restart_limit", "tags"};

bool is_any_time(const std::string& member) {
  return std::find(std::begin(kAnyTime), std::end(kAnyTime), member) != std::end(kAnyTime);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

Error with_members(Error error, const std::vector<std::string>& members, const std::string& why) {
  for (const std::string& member : members) error.details.push_back({"/" + member, why});
  return error;
}

// Whether `members`, which a VMM reads at its start, may be edited now.
Status check_still(const VmRecord& vm, const std::vector<std::string>& members) {
  if (!vm.job_id.empty())
    return busy(vm.name, vm.activity, vm.job_id, "change its " + joined(members) + " when that has finished");
  const VmState state = vm.observed.status.state;
  if (state == VmState::created || state == VmState::shutdown) return Ok{};
  const std::string is(to_string(state));
  Error error = make_error(
      Code::failed_precondition,
      "VM " + vm.name + " is " + is + ": its " + joined(members) +
          (state == VmState::unknown ? " can't change while a VMM may run; bring its host back, or force-stop it"
                                     : " can't change under a VMM; stop it first (POST /vms/{id}/stop)"),
      "wrong-state");
  return with_members(std::move(error), members, "is read at a start; the VM is " + is);
}

Status change_hypervisor(VmRecord& vm, const std::string& hypervisor) {
  if (vm.resolved)
    return with_members(make_error(Code::failed_precondition,
                                   "VM " + vm.name + " was made for hypervisor " + vm.observed.hypervisor +
                                       " at its first start, and its machine is that hypervisor's; create another VM "
                                       "for hypervisor " +
                                       (hypervisor.empty() ? "the default" : hypervisor),
                                   "wrong-state"),
                        {"hypervisor"}, "can't change after the first start");
  vm.hypervisor = hypervisor;
  vm.observed.fallback_reason.clear();
  return Ok{};
}

// Whether `asked` is what a client with a fixed list of names, `known`, is shown as the VM's hypervisor. It may stand
// for another name, or for none as long as nobody has asked for one.
bool stands_for_it(const std::string& asked, const VmRecord& vm, const std::vector<HostPtr>& hosts,
                   const std::vector<std::string>& known) {
  const std::string is = vm.hypervisor.empty() ? assumed_hypervisor(hosts) : vm.hypervisor;
  return !known.empty() && asked == shown_hypervisor(is, known);
}

Status change_vm(VmRecord& vm, const std::string& patch, const std::vector<HostPtr>& hosts,
                 const std::vector<std::string>& known) {
  const api::NewVm before = written(vm);
  QARAX_TRY(api::NewVm after, api::patched(before, patch));
  if (after.hypervisor && stands_for_it(*after.hypervisor, vm, hosts, known)) after.hypervisor = before.hypervisor;
  std::vector<std::string> members = api::changed_members(before, after);
  std::erase_if(members, is_any_time);
  vm.name = after.name;
  vm.description = after.description;
  vm.restart.policy = after.restart_policy;
  vm.restart.limit = after.restart_limit;
  vm.tags = after.tags;
  if (members.empty()) return Ok{};
  QARAX_CHECK(check_still(vm, members));
  if (after.hypervisor != before.hypervisor) QARAX_CHECK(change_hypervisor(vm, after.hypervisor.value_or("")));
  if (vm.resolved) {
    QARAX_TRY(vm.resolved, api::follow(*vm.resolved, vm.spec, after.spec));
    vm.draft_since = vm.incarnation;
  }
  vm.spec = after.spec;
  vm.boot_source_id = after.boot_source_id;
  if (vm.boot_source_id) vm.boot_source_id = core::to_lower(*vm.boot_source_id);
  // Makes a start that was decided on the old record decide again.
  ++vm.revision;
  std::vector<HostPtr> where = hosts;
  if (vm.host_id) std::erase_if(where, [&](const HostPtr& host) { return host->id != *vm.host_id; });
  const bool frozen = vm.resolved && !vm.observed.hypervisor.empty();
  const std::string& hypervisor = frozen ? vm.observed.hypervisor : vm.hypervisor;
  VmSpec asked = vm.spec;
  // A config that the plugin accepted once isn't judged again because another member changes.
  if (vm.resolved && after.spec.config == before.spec.config) asked.config = {};
  return could_fit({vm.name, hypervisor, std::move(asked), frozen}, where);
}

Status change_host(HostRecord& host, const std::string& patch) {
  api::NewHost before;
  before.name = host.name;
  before.address = host.address;
  before.port = static_cast<std::int32_t>(host.port);
  if (!host.host_user.empty()) before.host_user = host.host_user;
  QARAX_TRY(api::NewHost after, api::patched(before, patch));
  host.name = std::move(after.name);
  host.address = std::move(after.address);
  host.port = after.port;
  host.host_user = after.host_user.value_or("");
  return Ok{};
}

}  // namespace

api::NewVm written(const VmRecord& vm) {
  api::NewVm out;
  out.name = vm.name;
  if (!vm.hypervisor.empty()) out.hypervisor = vm.hypervisor;
  out.spec = vm.spec;
  out.boot_source_id = vm.boot_source_id;
  out.description = vm.description;
  out.restart_policy = vm.restart.policy;
  out.restart_limit = static_cast<std::int32_t>(vm.restart.limit);
  out.tags = vm.tags;
  return out;
}

Result<VmPtr> Editor::edit_vm(const Edit& edit) {
  const std::vector<HostPtr> hosts = store_.hosts();
  return store_.edit_vm({edit.id, edit.expected_version,
                         [&](VmRecord& vm) { return change_vm(vm, edit.patch, hosts, known_); }, edit.only_check});
}

Result<HostPtr> Editor::edit_host(const Edit& edit) {
  bool moves = false;
  QARAX_TRY(HostPtr host, store_.edit_host({edit.id, edit.expected_version,
                                            [&](HostRecord& changed) -> Status {
                                              const std::string address = changed.address;
                                              const std::int64_t port = changed.port;
                                              QARAX_CHECK(change_host(changed, edit.patch));
                                              moves = changed.address != address || changed.port != port;
                                              return Ok{};
                                            },
                                            edit.only_check}));
  if (!moves || edit.only_check) return host;
  reconnect(*host);
  const HostPtr now = store_.host(host->id);
  return now ? now : host;
}

// One call at a time, in whatever order the edits were committed. The last call connects to the address that the host
// has then, and no earlier call can mark the host `unknown` after that.
void Editor::reconnect(const HostRecord& host) {
  const std::lock_guard lock(moving_);
  nodes_.drop(host.id);
  store_.update_host(host.id, HostStatus::unknown, "its address was changed; not connected yet", std::nullopt);
  store_.lose_host(host.id, "the address of its host " + host.name + " was changed; not connected there yet");
  if (const HostPtr now = store_.host(host.id)) nodes_.start(now);
}

Status Editor::remove_host(const RemoveHost& asked) {
  const std::string before = store_.activation().id;
  QARAX_CHECK(store_.remove_host(asked));
  if (asked.only_check) return Ok{};
  nodes_.drop(asked.host_id);
  if (store_.activation().id != before) nodes_.reconnect_all();
  return Ok{};
}

}  // namespace qarax::server
