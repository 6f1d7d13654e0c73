// The plugin calls under way that no strand orders: questions of callers about one VM, or to one hypervisor. A plugin
// that hangs in them would get another thread for each further question, until none is left for the other VMs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "qarax/core/scope.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// Thread-safe. No other lock is taken under its own.
class Questions {
 public:
  static constexpr std::size_t kMostOverdue = 2;  // a plugin that keeps so many past their deadlines isn't asked more

  // `most`: so many questions about the same thing may be under way in any case.
  explicit Questions(std::size_t most) : most_(most) {}

  // The question is under way until the result is destroyed, which has to be before this object is. `about`: "VM …",
  // for the message, too. `deadline_ns`: CLOCK_MONOTONIC; 0: none. DEADLINE_EXCEEDED "plugin-hangs", until one of those
  // that are overdue ends. RESOURCE_EXHAUSTED "overloaded": too many callers ask at once, and none of them too long.
  Result<core::Scope> begin(const std::string& about, std::int64_t deadline_ns) {
    if (deadline_ns == 0) deadline_ns = std::numeric_limits<std::int64_t>::max();
    const std::int64_t now = plugin::monotonic_ns();
    const std::lock_guard lock(mutex_);
    auto& deadlines = under_way_[about];
    std::size_t overdue = 0;
    for (auto it = deadlines.begin(); it != deadlines.end() && *it <= now; ++it) ++overdue;
    if (overdue >= kMostOverdue)
      return make_error(Code::deadline_exceeded,
                        "the hypervisor's plugin owes the answers of " + std::to_string(deadlines.size()) +
                            " earlier questions about " + about + ", " + std::to_string(overdue) +
                            " of them past their deadlines",
                        "plugin-hangs");
    if (deadlines.size() >= most_) {
      Error error = make_error(Code::resource_exhausted,
                               std::to_string(deadlines.size()) + " questions about " + about +
                                   " are under way at once, which is the most; ask again in a moment",
                               "overloaded");
      error.retryable = true;
      error.retry_after_ms = 1000;
      return error;
    }
    deadlines.insert(deadline_ns);
    return core::Scope([this, about, deadline_ns] { end(about, deadline_ns); });
  }

 private:
  void end(const std::string& about, std::int64_t deadline_ns) {
    const std::lock_guard lock(mutex_);
    const auto found = under_way_.find(about);
    found->second.erase(found->second.find(deadline_ns));
    if (found->second.empty()) under_way_.erase(found);
  }

  const std::size_t most_;
  std::mutex mutex_;
  std::map<std::string, std::multiset<std::int64_t>> under_way_;  // by `about`: the questions' deadlines
};

}  // namespace qarax::agent
