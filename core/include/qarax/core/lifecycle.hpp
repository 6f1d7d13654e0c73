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
// True if a process may run for it: also if its state is unknown. Nothing that a running VMM forbids may be done then.
constexpr bool may_have_vmm(VmState state) { return has_vmm(state) || state == VmState::unknown; }

enum class Action { start, stop, force_stop, pause, resume, reboot, remove, resize, snapshot, restore, drop_snapshot };

inline constexpr Action kActions[] = {Action::start,    Action::stop,    Action::force_stop,   Action::pause,
                                      Action::resume,   Action::reboot,  Action::remove,       Action::resize,
                                      Action::snapshot, Action::restore, Action::drop_snapshot};

// What server and agent must know of an action besides judge(). Facts for the server alone are in its action_facts.hpp.
struct ActionTraits {
  Action action;
  std::string_view name;  // at REST, in job rows, logs and journals
  // The VM's state after success; nullopt: as before. remove: shutdown (no VMM), then the record is deleted.
  std::optional<VmState> target;
  int precedence;    // a job of higher precedence supersedes an unfinished lower one: delete > force-stop > stop > rest
  bool begins;       // begins an incarnation: the VM gets a place on a host, a number and a run folder
  bool state_tells;  // a VM in `target` proves that the action was carried out. Not so for a reboot, which leaves the
                     // state as it was, nor for a restore, which needs the VMM's own answer
  bool overtakes;    // is carried out whatever else is under way, even if the VM's state is unknown
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

// For static_assert: true if the table has a row for each action, in the order of kActions.
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

// The text of a refusal: "VM web is paused; start needs created or shutdown. Resume it, or stop it first."
Error refusal(Action action, VmState state, std::string_view vm_name);

}  // namespace qarax::core
