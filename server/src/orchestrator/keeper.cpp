#include "keeper.hpp"

#include <algorithm>

#include "keep.hpp"

namespace qarax::server {

namespace {
constexpr int kMostWaits = 64;  // a node that never keeps it, e.g. without the VM's folder, is told every ten minutes
}

void Keeper::look(Clock::time_point now) {
  const std::uint64_t changes = store_.changes();
  if (changes == seen_ && (!due_ || now < *due_)) return;
  bool again = false;
  std::optional<Clock::time_point> due;
  const auto look_again_at = [&due](const std::optional<Clock::time_point>& next) {
    if (next && (!due || *next < *due)) due = next;
  };
  std::map<std::string, Looked> looked;
  for (const VmPtr& vm : store_.vms()) {
    const auto before = looked_.find(vm->id);
    const bool is_new = before == looked_.end() || before->second.version != vm->version;
    const bool is_due = !is_new && before->second.next && now >= *before->second.next;
    if (!is_new && !is_due) {
      look_again_at(before->second.next);
      looked.insert(*before);
      continue;
    }
    Looked& done = looked[vm->id];
    done.version = vm->version;
    // Without a document the node keeps nothing of the VM: the next start brings it.
    if (vm->observed.incarnation == 0) continue;
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
    if (!is_up) {
      again = true;
      looked.erase(vm->id);
    } else {
      link->keep(*vm, words);
      done.wait = is_due ? std::min(2 * before->second.wait, kMostWaits * again_after_) : again_after_;
      done.next = now + done.wait;
      look_again_at(done.next);
    }
  }
  looked_.swap(looked);
  due_ = due;
  if (!again) seen_ = changes;
}

}  // namespace qarax::server
