// The one table that owns every change of a VM's state. REST, orchestrator and agent ask it; nobody else decides.
#pragma once

#include <optional>
#include <string_view>

#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

enum class Action { start, stop, force_stop, pause, resume, reboot, remove, resize, snapshot, restore, drop_snapshot };

inline constexpr Action kActions[] = {Action::start,    Action::stop,    Action::force_stop,   Action::pause,
                                      Action::resume,   Action::reboot,  Action::remove,       Action::resize,
                                      Action::snapshot, Action::restore, Action::drop_snapshot};

std::string_view to_string(Action action);
std::optional<Action> action_named(std::string_view name);

// Begins an incarnation: the VM takes a place, a number and a run folder. start, restore.
bool begins(Action action);

enum class Verdict {
  proceed,    // carry it out
  no_change,  // already so: success without a command
  refuse,     // 409
};

// Exhaustive over both enums.
Verdict judge(Action action, VmState state);

// The state that a successful action ends in; nothing: the VM is as it was before. remove: shutdown (no VMM), then the
// record goes.
std::optional<VmState> target(Action action);

// Whether being in target() tells that the action was carried out. A reboot leaves what it found, a restore takes a
// VMM's own word.
bool state_tells(Action action);

// A job of higher precedence supersedes an unfinished lower one: delete > force-stop > stop > rest.
int precedence(Action action);

// The refusal, worded: "VM web is paused; start needs created or shutdown. Resume it, or stop it first."
Error refusal(Action action, VmState state, std::string_view vm_name);

}  // namespace qarax::core
