// When VMs that ended unintentionally are restarted: at once the first time, and after longer and longer waits if they
// end again soon. One thread at a time. Times are in memory only: after a restart of the server a VM counts as running
// since it was first seen running.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "records.hpp"

namespace qarax::server {

class Restarts {
 public:
  struct Options {
    std::int64_t first_ms = 1'000;   // before the first restart; twice as long before each further one
    std::int64_t most_ms = 60'000;   // longest wait
    std::int64_t calm_ms = 600'000;  // a VM that ran for this long is stable: its restarts count anew
  };
  struct Turn {
    std::vector<VmPtr> due{};   // must be started now
    std::vector<VmPtr> calm{};  // are stable, and have restarts that count no more
  };

  explicit Restarts(Options options) : options_(options) {}

  // What `vms` need at the monotonic time `now_ns`. A VM whose start isn't recorded then, e.g. because no host takes
  // it, is due again after a wait that doubles each time.
  Turn turn(const std::vector<VmPtr>& vms, std::int64_t now_ns);

 private:
  struct Seen {
    std::int64_t incarnation = 0;
    std::int64_t running_ns = 0;  // since when it runs; 0: not seen running
    std::int64_t ended_ns = 0;    // since when it waits for its restart; 0: it doesn't wait
    std::int64_t in_vain = 0;     // how often it was due since it ended without a start being recorded
  };
  std::int64_t wait_ns(std::int64_t count) const;

  const Options options_;
  std::map<std::string, Seen> seen_;
};

}  // namespace qarax::server
