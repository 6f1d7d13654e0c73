// When what ended without being meant to is started again: at once the first time, later and later if it ends again
// soon. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store.hpp"

namespace qarax::server {

class Restarts {
 public:
  struct Options {
    std::int64_t first_ms = 1'000;   // before the first restart; twice as long before each further one
    std::int64_t most_ms = 60'000;   // at most
    std::int64_t calm_ms = 600'000;  // a VM that ran for so long has come to rest: its restarts count anew
  };
  struct Due {
    VmPtr vm;
    bool was_calm = false;
  };

  explicit Restarts(Options options) : options_(options) {}

  // What is to be started now, of `vms` at the monotonic time `now_ns`. A VM whose start isn't recorded then, because
  // no host takes it, is due again after a wait that is twice as long each time.
  std::vector<Due> due(const std::vector<VmPtr>& vms, std::int64_t now_ns);

 private:
  struct Seen {
    std::int64_t incarnation = 0;
    std::int64_t running_ns = 0;  // since when; 0: not seen running
    std::int64_t ended_ns = 0;    // since when it waits; 0: it doesn't
    bool calm = false;
    std::int64_t in_vain = 0;  // how often it was due since then, and no start was recorded
  };
  std::int64_t wait_ns(std::int64_t count) const;

  const Options options_;
  std::map<std::string, Seen> seen_;
};

}  // namespace qarax::server
