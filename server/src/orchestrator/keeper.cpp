#include "keeper.hpp"

#include "keep.hpp"

namespace qarax::server {

void Keeper::look() {
  const std::uint64_t changes = store_.changes();
  const auto now = std::chrono::steady_clock::now();
  if (changes == seen_) return;
  bool again = false;
  std::map<std::string, Looked> looked;
  for (const VmPtr& vm : store_.vms()) {
    const auto before = looked_.find(vm->id);
    const bool is_new = before == looked_.end() || before->second.version != vm->version;
    const bool is_due = !is_new && before->second.told_at && now - *before->second.told_at >= again_after_;
    if (!is_new && !is_due) {
      again = again || before->second.told_at;
      looked.insert(*before);
      continue;
    }
    Looked& done = looked[vm->id];
    done.version = vm->version;
    // Skips nodes that don't report what they keep, because those are too old to be told, and VMs with a job under way:
    // a start sends it anyway.
    if (vm->observed.keep.empty() || !vm->job_id.empty() || !vm->host_id) continue;
    // The node has a later edition than this database: only an adopt may settle that.
    if (vm->edition > 0 && vm->observed.keep_edition > vm->edition) continue;
    const RawJson words{encode(keep_of(*vm))};
    if (core::fingerprint_of_keep(vm->name, words) == vm->observed.keep) continue;
    const auto link = nodes_.link(*vm->host_id);
    const bool is_up = link && link->is_up();
    if (is_up && !link->knows(core::kFeatureKeep)) continue;
    again = true;
    if (!is_up) {
      looked.erase(vm->id);
    } else {
      link->keep(*vm, words);
      done.told_at = now;
    }
  }
  looked_.swap(looked);
  if (!again) seen_ = changes;
}

}  // namespace qarax::server
