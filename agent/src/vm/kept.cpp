// What a node tells a server that has lost its database about its VMs, and what a server stores here for that case.
#include <set>
#include <string_view>

#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "snapshot_folder.hpp"

namespace qarax::agent {

namespace {

// Only the snapshots that a restore could read.
void add_snapshots(const VmFolder& folder, core::KeptVm& vm) {
  const SnapshotFolder snapshots(folder.path());
  for (const std::string& id : snapshots.list()) {
    auto manifest = snapshots.read(id);
    if (!manifest) {
      core::logger("vm")->warn("a snapshot can't be told of vm={} snapshot={} reason={}", vm.report.vm, id,
                               core::log_value(manifest.error().message));
      continue;
    }
    vm.snapshots.push_back({std::move(manifest->id), std::move(manifest->name), std::move(manifest->created_at),
                            std::move(manifest->hypervisor), std::move(manifest->spec), std::move(manifest->resolved),
                            manifest->size});
  }
}

}  // namespace

std::vector<core::KeptVm> Manager::kept(const std::vector<std::string>& deleted_of) {
  std::vector<VmPtr> all;
  {
    const std::lock_guard lock(vms_mutex_);
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  std::vector<core::KeptVm> out;
  for (const VmPtr& vm : all) {
    core::KeptVm one;
    std::int64_t revision = 0;
    std::string unread;
    {
      const std::lock_guard lock(vm->admission_mutex);
      revision = vm->revision;
      unread = vm->unread;
    }
    one.report = reports_.last(vm->known);
    // Commands in progress count: a revision that was taken is never given out again.
    one.report.revision = std::max(one.report.revision, revision);
    // Read the file, because vm->document belongs to the strand. The file is always replaced as a whole.
    if (auto document = vm->folder.read_document()) {
      one.report.name = document->name;
      one.report.hypervisor = document->hypervisor;
      one.report.incarnation = document->incarnation;
      one.report.resolved = document->resolved;
      one.report.keep_edition = document->keep_edition;
      one.spec = std::move(document->spec);
      one.boot_source_id = std::move(document->boot_source_id);
      one.keep = std::move(document->keep);
      add_snapshots(vm->folder, one);
    } else {
      one.problem = document.error().message;
    }
    // It can be removed, which takes any revision above this. An adopt needs the real one.
    if (one.report.revision == 0 && !unread.empty()) {
      one.report.revision = 1;
      if (one.problem.empty()) one.problem = std::move(unread);
    }
    out.push_back(std::move(one));
  }
  for (const std::string& id : deleted_of) {
    if (!core::is_uuid(id) || find(id)) continue;
    const auto stone = tombstones_.read(id);
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

Status Manager::keep(const std::string& id, Words words) {
  const VmPtr vm = find(id);
  if (!vm) return make_error(Code::not_found, "VM " + id + " isn't on this node", "vm-not-found");
  enqueue(vm, [this, vm, words = std::move(words)]() mutable { keep_words(vm, std::move(words)); });
  return Ok{};
}

void Manager::keep_words(const VmPtr& vm, Words words) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (vm->recovering) return;
  }
  // Without a document these words alone would bring nothing back. The next start brings them along.
  if (vm->document.incarnation == 0 || !vm->folder.has_document()) return;
  // These words come from an older copy of the server's database. The later words may exist nowhere else by now.
  if (words.edition > 0 && words.edition < vm->document.keep_edition) {
    core::logger("vm")->warn("words that are older than what is kept are left aside vm={} edition={} kept={}", vm->id,
                             words.edition, vm->document.keep_edition);
    return;
  }
  VmDocument document = vm->document;
  document.name = std::move(words.name);
  document.keep = std::move(words.keep);
  document.keep_edition = words.edition;
  if (const Status written = vm->folder.write_document(document); !written) {
    core::logger("vm")->error("what the server wants back can't be kept vm={} reason={}", vm->id,
                              core::log_value(written.error().message));
    return;
  }
  vm->document = std::move(document);
  reports_.publish(vm->known, vm->facts(reports_.status_of(vm->known)));
}

std::vector<core::Leftover> Manager::leftovers(bool collect, const std::vector<std::string>& owned) {
  const std::lock_guard one(collecting_);
  const std::set<std::string_view> servers(owned.begin(), owned.end());
  const auto is_owned = [&](const std::string& id) { return find(id) != nullptr || servers.contains(id); };
  return collect ? processes_.leftovers().collect(is_owned) : processes_.leftovers().find(is_owned);
}

}  // namespace qarax::agent
