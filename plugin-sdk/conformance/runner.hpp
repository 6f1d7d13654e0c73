// Runs rules on a plugin: each in a process of its own, some at a time, so that a plugin that crashes or hangs fails a
// rule and no more.
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

// From a process with one thread, as check. `told`: each outcome as it comes; the answer has them in the trials' order.
Result<std::vector<Outcome>> try_rules(const std::vector<Trial>& trials, int jobs, const Told& told);

// What the plugin says of itself, and the rules that this leaves to be tried. `told` as above.
Result<Report> check(const Settings& settings, const Rules& rules, int jobs, const Told& told);

}  // namespace qarax::conformance
