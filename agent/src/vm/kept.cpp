// What a node knows of its VMs for a server that has lost them.
#include "manager.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::agent {

std::vector<core::KeptVm> Manager::kept(const std::vector<std::string>& deleted_of) {
  std::vector<VmPtr> all;
  {
    const std::lock_guard lock(vms_mutex_);
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  std::vector<core::KeptVm> out;
  for (const VmPtr& vm : all) {
    core::KeptVm one;
    {
      const std::lock_guard strand(vm->strand_mutex);
      one.report.revision = vm->revision;
    }
    const std::int64_t revision = one.report.revision;
    one.report = last_report(vm);
    // What is on its way counts: a number that was taken is never given again.
    one.report.revision = std::max(one.report.revision, revision);
    // The file, not what the strand works on: it is replaced as a whole.
    if (auto document = vm->folder.read_document()) {
      one.report.name = document->name;
      one.report.hypervisor = document->hypervisor;
      one.report.incarnation = document->incarnation;
      one.report.resolved = document->resolved;
      one.spec = std::move(document->spec);
      one.boot_source_id = std::move(document->boot_source_id);
      one.keep = std::move(document->keep);
    } else {
      one.problem = document.error().message;
    }
    out.push_back(std::move(one));
  }
  for (const std::string& id : deleted_of) {
    if (!core::is_uuid(id) || find(id)) continue;
    const auto stone = read_tombstone(tombstones_dir_, id);
    if (!stone) continue;
    core::KeptVm one;
    one.report.vm = id;
    one.report.revision = stone->revision;
    one.report.deleted = true;
    one.report.status.state = VmState::shutdown;
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<core::Leftover> Manager::leftovers(bool collect) {
  const std::lock_guard one(collecting_);
  const auto is_owned = [this](const std::string& id) { return find(id) != nullptr; };
  return collect ? processes_.leftovers().collect(is_owned) : processes_.leftovers().find(is_owned);
}

}  // namespace qarax::agent
