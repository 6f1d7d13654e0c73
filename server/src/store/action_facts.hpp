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
  bool frees = false;
  // A user may cancel it: it takes long and can be undone. The others end at once, or what they removed is gone.
  bool cancellable = false;
  Patience patience = Patience::any;
  // Capability that the hypervisor must have and feature that the node must have. Empty: every hypervisor, or every
  // node of protocol 1, will do.
  std::string_view capability{};
  std::string_view feature{};
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
