#include "adopted_record.hpp"

#include <algorithm>
#include <set>

#include "api/patch.hpp"
#include "keep.hpp"
#include "written.hpp"

namespace qarax::server {

namespace {

bool same(const VmSpec& a, const VmSpec& b) { return encode(a, Defaults::write) == encode(b, Defaults::write); }

void take_words(const core::KeptVm& kept, VmRecord& vm) {
  vm.name = kept.report.name;
  vm.spec = kept.spec;
  vm.boot_source_id = kept.boot_source_id;
  const auto keep = decode<Keep>(std::string_view(kept.keep.text), Unknown::ignore);
  if (!keep) return;
  if (!keep->hypervisor.empty()) vm.hypervisor = keep->hypervisor;
  if (vm.created_at.empty()) vm.created_at = keep->created_at;
  vm.description = keep->description;
  vm.restart = keep->restart;
  vm.tags = keep->tags;
  vm.observed.fallback_reason = keep->fallback_reason;
  if (!keep->spec) return;
  vm.spec = *keep->spec;
  vm.boot_source_id = keep->boot_source_id;
}

// Takes the machine of the VM's last start; what was requested since becomes a draft.
void settle_machine(const core::KeptVm& kept, VmRecord& vm) {
  // While a VMM runs, only a resize changes the spec: what it was started with or resized to is the latest request.
  if (core::has_vmm(kept.report.status.state)) vm.spec = kept.spec;
  vm.observed.hypervisor = kept.report.hypervisor;
  if (!kept.report.resolved) return;
  vm.resolved = kept.report.resolved;
  if (kept.report.incarnation > vm.incarnation) vm.unread.resolved.clear();  // it belonged to the previous machine
  vm.draft_since = 0;
  if (same(vm.spec, kept.spec)) return;
  vm.draft_since = kept.report.incarnation;
  if (auto followed = api::follow(*kept.report.resolved, kept.spec, vm.spec)) vm.resolved = std::move(*followed);
}

}  // namespace

Keep keep_of(const VmRecord& vm) {
  return {vm.hypervisor,    vm.observed.fallback_reason, vm.description, vm.created_at, vm.restart, vm.tags, vm.spec,
          vm.boot_source_id};
}

bool is_later(const core::KeptVm& kept, const VmRecord& here) {
  if (here.edition > 0 && kept.report.keep_edition > 0) return kept.report.keep_edition > here.edition;
  return kept.report.incarnation > here.incarnation;
}

VmRecord adopted_record(const std::string& host_id, const core::KeptVm& kept, const VmPtr& here) {
  const core::VmReport& report = kept.report;
  VmRecord vm;
  if (here) {
    vm = *here;
  } else {
    vm.id = report.vm;
    vm.hypervisor = report.hypervisor;
  }
  if (!here || is_later(kept, *here)) take_words(kept, vm);
  if (!here || report.incarnation >= here->incarnation) settle_machine(kept, vm);
  vm.host_id = host_id;
  vm.incarnation = std::max(vm.incarnation, report.incarnation);
  vm.revision = std::max(vm.revision, report.revision);
  vm.edition = std::max({vm.edition, report.keep_edition, std::int64_t{1}});
  // A VM that is new here takes the reported state as its desired state. If that is `unknown`, the desired state stays
  // unknown until the node has looked (learn_wish()).
  if (report.status.state != VmState::unknown || !here)
    vm.desired = {report.status.state, Origin::user, vm.revision};
  else
    vm.desired.revision = vm.revision;
  vm.activity.clear();
  vm.job_id.clear();
  // Holds until the node's first report to this server, which counts as newer because no session is set.
  vm.observed.status = report.status;
  vm.observed.source = Source::node;
  vm.observed.session.clear();
  vm.observed.observed_at = report.observed_at;
  vm.observed.incarnation = report.incarnation;
  return vm;
}

std::string changes_of(const VmRecord& here, const VmRecord& adopted) {
  std::string out;
  for (const std::string& member : api::changed_members(written(here), written(adopted)))
    out.append(out.empty() ? "" : ", ").append(member);
  return out;
}

std::vector<SnapshotRecord> adopted_snapshots(const core::KeptVm& kept, const std::vector<SnapshotPtr>& known) {
  std::set<std::string> names;
  for (const SnapshotPtr& one : known) names.insert(one->name);
  std::vector<SnapshotRecord> out;
  for (const core::KeptSnapshot& one : kept.snapshots) {
    const auto there =
        std::find_if(known.begin(), known.end(), [&](const auto& record) { return record->id == one.id; });
    SnapshotRecord record;
    if (there != known.end()) {
      record = **there;
      if (record.status == SnapshotStatus::ready) continue;
    } else {
      record = {one.id, kept.report.vm, one.name, {}, one.hypervisor, one.spec, one.resolved, 0, one.created_at};
      if (record.name.empty() || !names.insert(record.name).second)
        names.insert(record.name += (record.name.empty() ? "snapshot-" : "-") + one.id.substr(0, 8));
    }
    record.status = SnapshotStatus::ready;
    record.size = one.size;
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace qarax::server
