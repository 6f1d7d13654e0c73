// What the server has to know of an action that no node needs: beside core's traits, in one place.
#pragma once

#include <optional>
#include <string_view>

#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"

namespace qarax::server {

// How long its node gets for it: OrchestratorOptions.
enum class Patience {
  any,
  start,
  snapshot,  // as much as a VM's memory is written or read
  guests,    // what its guest got to end, and `any`
};

struct ActionFacts {
  core::Action action;
  // Ends or removes something: done also where the database's disk has no room for more.
  bool frees = false;
  // Takes its time and can be undone; the rest is done in a moment, or what it has removed is gone.
  bool cancellable = false;
  Patience patience = Patience::any;
  // What it needs of its hypervisor beyond what every hypervisor can, and of its node beyond protocol 1; empty:
  // nothing.
  std::string_view capability = "";
  std::string_view feature = "";
};

inline constexpr ActionFacts kActionFacts[] = {
    {.action = core::Action::start, .cancellable = true, .patience = Patience::start},
    {.action = core::Action::stop, .frees = true, .cancellable = true, .patience = Patience::guests},
    {.action = core::Action::force_stop, .frees = true},
    {.action = core::Action::pause, .capability = "pause"},
    {.action = core::Action::resume, .capability = "pause"},
    {.action = core::Action::reboot, .capability = "reboot"},
    {.action = core::Action::remove, .frees = true},
    {.action = core::Action::resize, .capability = "resize", .feature = core::kFeatureResize},
    {.action = core::Action::snapshot,
     .cancellable = true,
     .patience = Patience::snapshot,
     .capability = "snapshot",
     .feature = core::kFeatureSnapshot},
    {.action = core::Action::restore,
     .cancellable = true,
     .patience = Patience::snapshot,
     .capability = "snapshot",
     .feature = core::kFeatureSnapshot},
    {.action = core::Action::drop_snapshot, .frees = true, .feature = core::kFeatureSnapshot},
};
static_assert(core::has_a_row_for_each_action(kActionFacts));

constexpr const ActionFacts& facts_of(core::Action action) { return kActionFacts[static_cast<std::size_t>(action)]; }

}  // namespace qarax::server
