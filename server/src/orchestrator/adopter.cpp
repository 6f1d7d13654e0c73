#include "adopter.hpp"

#include <algorithm>

#include "adopted_record.hpp"
#include "adopter_draft.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "refusals.hpp"
#include "written.hpp"

namespace qarax::server {

namespace {

using api::AdoptAction;

}  // namespace

Error outdated(Error error, const std::string& host) {
  if (error.code != Code::unimplemented) return error;
  return make_error(Code::unimplemented,
                    "the node of host " + host + " is too old to be asked for this; upgrade it, its VMs run on",
                    "node-outdated");
}

Result<std::shared_ptr<NodeAccess>> Adopter::link_of(const std::string& host_id) const {
  auto link = nodes_.link(host_id);
  if (link) return link;
  return make_error(Code::unavailable, "the server is ending", "shutting-down");
}

std::string Adopter::free_name(const Draft& draft, const std::string& name, const std::string& id) const {
  std::string wanted = name.empty() ? "vm-" + id.substr(0, 8) : name;
  return draft.names.contains(wanted) ? wanted.substr(0, 244) + "-" + id.substr(0, 8) : wanted;
}

VmRecord Adopter::record_of(const Draft& draft, const core::KeptVm& kept, const VmPtr& before) const {
  VmRecord vm = adopted_record(draft.host->id, kept, before);
  if (!before || vm.name != before->name) vm.name = free_name(draft, vm.name, vm.id);
  return vm;
}

// What of the VM changes here, and why.
std::string Adopter::note_of(const core::KeptVm& kept, const VmPtr& before, const VmRecord& after) const {
  std::vector<std::string> notes;
  const bool later = !before || is_later(kept, *before);
  if (later && !kept.report.name.empty() && after.name != kept.report.name)
    notes.push_back("the node calls it " + kept.report.name + ", which is another VM's name here");
  if (before)
    if (const std::string changes = changes_of(*before, after); !changes.empty())
      notes.push_back("its node was told later than this database knows: " + changes);
  if (before && !later && kept.report.keep_edition > 0 && kept.report.keep_edition < before->edition)
    notes.push_back("what is written here is later than what its node was told, and stays");
  if (const std::size_t count = adopted_snapshots(kept, store_.snapshots(after.id)).size(); count != 0)
    notes.push_back(std::to_string(count) + (count == 1 ? " snapshot comes back" : " snapshots come back"));
  std::string out;
  for (const std::string& one : notes) out.append(out.empty() ? "" : "; ").append(one);
  return out;
}

void Adopter::judge(Draft& draft, const core::KeptVm& kept) {
  const core::VmReport& report = kept.report;
  const VmPtr before = store_.vm(report.vm);
  api::AdoptVm line;
  line.id = report.vm;
  line.name = before ? before->name : report.name;
  line.status = report.status.state;
  line.hypervisor = report.hypervisor;
  line.incarnation = report.incarnation;
  line.revision = report.revision;
  const auto stones = store_.tombstones(draft.host->id);
  const auto stone =
      std::find_if(stones.begin(), stones.end(), [&](const Tombstone& one) { return one.vm_id == report.vm; });
  if (report.deleted) {
    line.action = before && before->host_id == draft.host->id ? AdoptAction::forget : AdoptAction::none;
    if (line.action == AdoptAction::forget) draft.adoption.forgotten.push_back(report.vm);
  } else if (stone != stones.end()) {
    line.action = AdoptAction::leave;
    draft.adoption.buried[report.vm] = report.revision + 1;
    line.note = "it was deleted here while its node was away; the node is told to delete it";
  } else if (before && before->host_id && before->host_id != draft.host->id) {
    line.action = AdoptAction::leave;
    const HostPtr other = store_.host(*before->host_id);
    line.note = "here it is on host " + (other ? other->name : *before->host_id);
  } else if (!kept.problem.empty()) {
    line.action = AdoptAction::leave;
    line.note = kept.problem;
  } else if (report.incarnation > 0 && report.revision == 0) {
    // Whoever was started was commanded: with a number that is too low this server would look set back at once.
    line.action = AdoptAction::leave;
    line.note = "its node hasn't read yet how often it was commanded; make the plan anew in a moment";
  } else if (!before || before->host_id != draft.host->id || before->revision < report.revision ||
             before->incarnation < report.incarnation || is_later(kept, *before)) {
    line.action = before ? AdoptAction::raise : AdoptAction::create;
    VmRecord vm = record_of(draft, kept, before);
    line.note = note_of(kept, before, vm);
    line.name = vm.name;
    draft.names.insert(vm.name);
    if (before) draft.adoption.records[vm.id] = {before->revision, before->edition};
    for (SnapshotRecord& snapshot : adopted_snapshots(kept, store_.snapshots(vm.id)))
      draft.adoption.snapshots.push_back(std::move(snapshot));
    if (core::may_have_vmm(report.status.state)) {
      std::int64_t overhead = 0;
      for (const auto& plugin : draft.seen.info.plugins)
        if (plugin.name == report.hypervisor && plugin.description) overhead = plugin.description->limits.vmm_overhead;
      draft.adoption.memory[vm.id] = vm.spec.memory_size + overhead;
    }
    draft.adoption.vms.push_back(std::move(vm));
  }
  draft.plan.vms.push_back(std::move(line));
}

Result<Adopter::Draft> Adopter::draft(const std::string& host_id) {
  Draft out;
  out.host = store_.host(host_id);
  if (!out.host) return no_such_host(host_id);
  QARAX_TRY(out.link, link_of(host_id));
  std::vector<std::string> here;
  for (const VmPtr& vm : store_.vms()) {
    out.names.insert(vm->name);
    if (vm->host_id == host_id) here.push_back(vm->id);
  }
  auto seen = out.link->survey(here, kSurveyMs);
  if (!seen) return outdated(std::move(seen).error(), out.host->name);
  out.seen = std::move(*seen);
  if (!out.host->node_id.empty() && out.host->node_id != out.seen.info.node_id)
    return make_error(Code::failed_precondition,
                      "node " + out.seen.info.node_id + " answers for host " + out.host->name + ", which is node " +
                          out.host->node_id,
                      "other-node");
  for (const HostPtr& other : store_.hosts())
    if (other->id != host_id && other->node_id == out.seen.info.node_id)
      return make_error(Code::already_exists,
                        "the node that answers for host " + out.host->name + " is host " + other->name +
                            " already, which would lose it: delete host " + out.host->name,
                        "node-taken");
  out.adoption.host_id = host_id;
  out.adoption.above_term = out.seen.obeyed.term;
  out.plan.host_id = host_id;
  out.plan.host = out.host->name;
  out.plan.node_id = out.seen.info.node_id;
  out.plan.reason = is_awaited(*out.host) ? "its node wasn't heard yet since this database was found to be set back"
                    : !out.host->needs_adopt.empty()          ? out.host->needs_adopt
                    : out.host->status == HostStatus::up      ? ""
                    : out.host->status == HostStatus::unknown ? "not connected yet"
                                                              : out.host->status_reason;
  std::sort(out.seen.vms.begin(), out.seen.vms.end(),
            [](const auto& a, const auto& b) { return a.report.vm < b.report.vm; });
  // Theirs are free, for the one that was made under the same name later.
  for (const core::KeptVm& vm : out.seen.vms)
    if (const VmPtr before = store_.vm(vm.report.vm); vm.report.deleted && before && before->host_id == host_id)
      out.names.erase(before->name);
  std::set<std::string> there;
  for (const core::KeptVm& vm : out.seen.vms) {
    there.insert(vm.report.vm);
    judge(out, vm);
  }
  for (const std::string& id : here) {
    if (there.contains(id)) continue;
    const VmPtr vm = store_.vm(id);
    if (!vm) continue;
    out.plan.vms.push_back({id, vm->name, AdoptAction::leave, vm->observed.status.state, vm->observed.hypervisor,
                            vm->incarnation, vm->revision, "its node has no folder for it, which proves nothing"});
  }
  // What a guest does meanwhile makes another plan only where its state would become what is asked of it.
  const Activation& obeyed = out.seen.obeyed;
  std::string text = host_id + obeyed.cluster_id + std::to_string(obeyed.term) + obeyed.id + out.plan.node_id;
  for (const api::AdoptVm& vm : out.plan.vms)
    text += "|" + vm.id + vm.name + std::to_string(static_cast<int>(vm.action)) + " " + std::to_string(vm.incarnation) +
            " " + std::to_string(vm.revision) + vm.note;
  for (const VmRecord& vm : out.adoption.vms)
    text += "|" + std::string(to_string(vm.desired.state)) + " " + std::to_string(vm.edition) + encode(written(vm));
  out.plan.plan = core::fingerprint(text);
  return out;
}

Result<api::AdoptPlan> Adopter::plan(const std::string& host_id) {
  QARAX_TRY(Draft made, draft(host_id));
  return std::move(made.plan);
}

Result<api::AdoptPlan> Adopter::adopt(const std::string& host_id, const std::string& token, std::int64_t wait_ms,
                                      std::string& job) {
  QARAX_TRY(Draft made, draft(host_id));
  if (made.plan.plan != token)
    return make_error(Code::aborted,
                      "the plan for host " + made.host->name + " is " + made.plan.plan + " by now, not " + token,
                      "plan-changed");
  // Here first: broken off in between, the node still obeys whom it obeyed, and the same is asked for again.
  made.plan.applied = true;
  made.adoption.outcome = encode(made.plan, Defaults::write);
  const auto here = [&]() -> Status {
    QARAX_TRY(job, store_.adopt(made.adoption));
    core::logger("hosts")->warn("adopted host={} name={} vms={} forgotten={} term={}", made.host->id, made.host->name,
                                made.adoption.vms.size(), made.adoption.forgotten.size(), store_.activation().term);
    return Ok{};
  };
  const Status told = made.link->adopt(made.seen.obeyed, here);
  // Also where the node couldn't be told: this server is another activation now, and has to greet its nodes as that.
  if (!job.empty()) nodes_.reconnect_all();
  QARAX_CHECK(told);
  QARAX_CHECK(made.link->connect_now(wait_ms));
  return std::move(made.plan);
}

bool Adopter::is_obeyed(const std::string& host_id) const {
  const HostPtr host = store_.host(host_id);
  const auto link = nodes_.link(host_id);
  return host && host->needs_adopt.empty() && link && link->is_greeted_as(store_.activation().id);
}

}  // namespace qarax::server
