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
  bool frees;
  // Takes its time and can be undone; the rest is done in a moment, or what it has removed is gone.
  bool cancellable;
  Patience patience;
  // What it needs of its hypervisor beyond what every hypervisor can, and of its node beyond protocol 1; empty:
  // nothing.
  std::string_view capability;
  std::string_view feature;
};

inline constexpr ActionFacts kActionFacts[] = {
    {core::Action::start, false, true, Patience::start, "", ""},
    {core::Action::stop, true, true, Patience::guests, "", ""},
    {core::Action::force_stop, true, false, Patience::any, "", ""},
    {core::Action::pause, false, false, Patience::any, "pause", ""},
    {core::Action::resume, false, false, Patience::any, "pause", ""},
    {core::Action::reboot, false, false, Patience::any, "reboot", ""},
    {core::Action::remove, true, false, Patience::any, "", ""},
    {core::Action::resize, false, false, Patience::any, "resize", core::kFeatureResize},
    {core::Action::snapshot, false, true, Patience::snapshot, "snapshot", core::kFeatureSnapshot},
    {core::Action::restore, false, true, Patience::snapshot, "snapshot", core::kFeatureSnapshot},
    {core::Action::drop_snapshot, true, false, Patience::any, "", core::kFeatureSnapshot},
};
static_assert(core::has_a_row_for_each_action(kActionFacts));

constexpr const ActionFacts& facts_of(core::Action action) { return kActionFacts[static_cast<std::size_t>(action)]; }

}  // namespace qarax::server
