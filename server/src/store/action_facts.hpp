// Facts about actions that only the server needs, in one table. Core's traits hold those that nodes need too.
#pragma once

#include <optional>
#include <string_view>

#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"

namespace qarax::server {

// Which timeout of OrchestratorOptions applies to the node's answer.
enum class Patience {
  any,
  start,
  snapshot,  // time to write or read the VM's memory
  guests,    // the timeout given to the guest, plus `any`
};

struct ActionFacts {
  core::Action action;
  // Ends or removes something, so it is allowed even when the database's disk is nearly full.
  bool frees;
  // A user may cancel it: it takes long and can be undone. The others end at once, or what they removed is gone.
  bool cancellable;
  Patience patience;
  // Capability that the hypervisor must have and feature that the node must have. Empty: every hypervisor, or every
  // node of protocol 1, will do.
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
