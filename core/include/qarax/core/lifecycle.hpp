// The one table that owns every change of a VM's state. REST, orchestrator and agent ask it; nobody else decides.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>

#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// A process runs for a VM in this state.
constexpr bool has_vmm(VmState state) { return state == VmState::running || state == VmState::paused; }
// And where nobody knows its state: what would be wrong beside a VMM mustn't be done.
constexpr bool may_have_vmm(VmState state) { return has_vmm(state) || state == VmState::unknown; }

enum class Action { start, stop, force_stop, pause, resume, reboot, remove, resize, snapshot, restore, drop_snapshot };

inline constexpr Action kActions[] = {Action::start,    Action::stop,    Action::force_stop,   Action::pause,
                                      Action::resume,   Action::reboot,  Action::remove,       Action::resize,
                                      Action::snapshot, Action::restore, Action::drop_snapshot};

// What server and agent have to know of an action besides judge(), in one place. What concerns the server alone is in
// its action_facts.hpp.
struct ActionTraits {
  Action action;
  std::string_view name;  // at REST, in job rows, logs and journals
  // The state that a successful one ends in; nothing: the VM is as it was before. remove: shutdown (no VMM), then the
  // record goes.
  std::optional<VmState> target;
  int precedence;    // a job of higher precedence supersedes an unfinished lower one: delete > force-stop > stop > rest
  bool begins;       // an incarnation: the VM takes a place, a number and a run folder
  bool state_tells;  // being in `target` tells that it was carried out. A reboot leaves what it found, a restore takes
                     // a VMM's own word
  bool overtakes;    // done whatever else goes on, also to a VM of which nobody knows what it does
};

inline constexpr ActionTraits kActionTraits[] = {
    {Action::start, "start", VmState::running, 0, true, true, false},
    {Action::stop, "stop", VmState::shutdown, 1, false, true, false},
    {Action::force_stop, "force-stop", VmState::shutdown, 2, false, true, true},
    {Action::pause, "pause", VmState::paused, 0, false, true, false},
    {Action::resume, "resume", VmState::running, 0, false, true, false},
    {Action::reboot, "reboot", VmState::running, 0, false, false, false},
    {Action::remove, "delete", VmState::shutdown, 3, false, false, true},
    {Action::resize, "resize", std::nullopt, 0, false, false, false},
    {Action::snapshot, "snapshot", std::nullopt, 0, false, false, false},
    {Action::restore, "restore", VmState::running, 0, true, false, false},
    {Action::drop_snapshot, "delete-snapshot", std::nullopt, 0, false, false, false},
};

// For tables with a row for each action, in their order.
template <class Row, std::size_t N>
constexpr bool has_a_row_for_each_action(const Row (&table)[N]) {
  if (N != std::size(kActions)) return false;
  for (std::size_t i = 0; i < N; ++i)
    if (table[i].action != kActions[i] || static_cast<std::size_t>(kActions[i]) != i) return false;
  return true;
}
static_assert(has_a_row_for_each_action(kActionTraits));

constexpr const ActionTraits& traits_of(Action action) { return kActionTraits[static_cast<std::size_t>(action)]; }

constexpr std::string_view to_string(Action action) { return traits_of(action).name; }
std::optional<Action> action_named(std::string_view name);
constexpr bool begins(Action action) { return traits_of(action).begins; }
constexpr bool overtakes(Action action) { return traits_of(action).overtakes; }
constexpr std::optional<VmState> target(Action action) { return traits_of(action).target; }
constexpr bool state_tells(Action action) { return traits_of(action).state_tells; }
constexpr int precedence(Action action) { return traits_of(action).precedence; }

enum class Verdict {
  proceed,    // carry it out
  no_change,  // already so: success without a command
  refuse,     // 409
};

// Exhaustive over both enums.
Verdict judge(Action action, VmState state);

// The refusal, worded: "VM web is paused; start needs created or shutdown. Resume it, or stop it first."
Error refusal(Action action, VmState state, std::string_view vm_name);

}  // namespace qarax::core
