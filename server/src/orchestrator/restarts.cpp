#include "restarts.hpp"

#include <algorithm>

namespace qarax::server {

std::int64_t Restarts::wait_ns(std::int64_t count) const {
  constexpr std::int64_t kDoublings = 30;
  const std::int64_t doublings = std::min(count, kDoublings);
  const bool is_most = options_.first_ms > options_.most_ms >> doublings;
  return (is_most ? options_.most_ms : options_.first_ms << doublings) * 1'000'000;
}

Restarts::Turn Restarts::turn(const std::vector<VmPtr>& vms, std::int64_t now_ns) {
  Turn out;
  std::map<std::string, Seen> still;
  for (const VmPtr& vm : vms) {
    if (vm->restart.policy == RestartPolicy::never) continue;
    const auto found = seen_.find(vm->id);
    Seen seen = found != seen_.end() ? found->second : Seen{};
    if (seen.incarnation != vm->incarnation) seen = {vm->incarnation, 0, 0, 0};
    const bool runs = core::has_vmm(vm->observed.status.state);
    if (runs && seen.running_ns == 0) seen.running_ns = now_ns;
    if (runs && vm->restart.count > 0 && now_ns - seen.running_ns >= options_.calm_ms * 1'000'000)
      out.calm.push_back(vm);
    if (!wants_restart(*vm)) {
      seen.ended_ns = 0;
      seen.in_vain = 0;
    } else if (seen.ended_ns == 0) {
      seen.ended_ns = now_ns;
    }
    if (seen.ended_ns != 0 && now_ns - seen.ended_ns >= wait_ns(vm->restart.count + seen.in_vain)) {
      seen.ended_ns = now_ns;
      ++seen.in_vain;
      out.due.push_back(vm);
    }
    still.emplace(vm->id, seen);
  }
  seen_.swap(still);
  return out;
}

}  // namespace qarax::server
