// Runs rules on a plugin, each in a process of its own and several at a time. A plugin that crashes or hangs so fails
// only the one rule.
#pragma once

#include <functional>

#include "report.hpp"
#include "rule.hpp"
#include "settings.hpp"

namespace qarax::conformance {

struct Trial {
  const Settings* settings;
  const Rule* rule;
};
using Told = std::function<void(const Outcome&)>;

// Must be called from a single-threaded process, like check(). `told` gets each outcome as it comes; the result has
// them in the order of the trials.
Result<std::vector<Outcome>> try_rules(const std::vector<Trial>& trials, int jobs, const Told& told);

// Asks the plugin to describe itself and tries the rules that apply to it. `told` as above.
Result<Report> check(const Settings& settings, const Rules& rules, int jobs, const Told& told);

}  // namespace qarax::conformance
