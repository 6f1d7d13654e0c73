// Converts actions to and from the enum of the node protocol.
#pragma once

#include <optional>

#include "qarax/core/lifecycle.hpp"
#include "qarax/node/v1/node.pb.h"

namespace qarax::node::v1 {

struct ActionCode {
  core::Action action;
  Action code;
};
inline constexpr ActionCode kActionCodes[] = {
    {core::Action::start, ACTION_START},
    {core::Action::stop, ACTION_STOP},
    {core::Action::force_stop, ACTION_FORCE_STOP},
    {core::Action::pause, ACTION_PAUSE},
    {core::Action::resume, ACTION_RESUME},
    {core::Action::reboot, ACTION_REBOOT},
    {core::Action::remove, ACTION_DELETE},
    {core::Action::resize, ACTION_RESIZE},
    {core::Action::snapshot, ACTION_SNAPSHOT},
    {core::Action::restore, ACTION_RESTORE},
    {core::Action::drop_snapshot, ACTION_DELETE_SNAPSHOT},
};
static_assert(core::has_a_row_for_each_action(kActionCodes));

constexpr Action to_proto(core::Action action) { return kActionCodes[static_cast<std::size_t>(action)].code; }

// nullopt: an action of a newer server.
constexpr std::optional<core::Action> from_proto(Action code) {
  for (const ActionCode& one : kActionCodes)
    if (one.code == code) return one.action;
  return std::nullopt;
}

}  // namespace qarax::node::v1
