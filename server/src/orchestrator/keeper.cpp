#include "keeper.hpp"

#include "keep.hpp"

namespace qarax::server {

void Keeper::look() {
  const std::uint64_t changes = store_.changes();
  if (changes == seen_) return;
  bool again = false;
  std::map<std::string, std::uint64_t> looked_at;
  for (const VmPtr& vm : store_.vms()) {
    const auto before = looked_at_.find(vm->id);
    const bool is_new = before == looked_at_.end() || before->second != vm->version;
    const auto done = looked_at.emplace(vm->id, vm->version).first;
    // Skips nodes that don't report what they keep, because those are too old to be told, and VMs with a job under way:
    // a start sends it anyway.
    if (!is_new || vm->observed.keep.empty() || !vm->job_id.empty() || !vm->host_id) continue;
    // The node has a later edition than this database: only an adopt may settle that.
    if (vm->edition > 0 && vm->observed.keep_edition > vm->edition) continue;
    const RawJson words{encode(keep_of(*vm))};
    if (core::fingerprint_of_keep(vm->name, words) == vm->observed.keep) continue;
    const auto link = nodes_.link(*vm->host_id);
    if (link && link->is_up()) {
      if (link->knows(core::kFeatureKeep)) link->keep(*vm, words);
      continue;
    }
    looked_at.erase(done);
    again = true;
  }
  looked_at_.swap(looked_at);
  if (!again) seen_ = changes;
}

}  // namespace qarax::server
