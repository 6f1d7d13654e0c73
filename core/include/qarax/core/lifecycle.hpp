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
  std::optional<VmState> target = std::nullopt;
  // A job of higher precedence supersedes an unfinished lower one: delete > force-stop > stop > rest.
  int precedence = 0;
  bool begins = false;  // begins an incarnation: the VM gets a place on a host, a number and a run folder
  // A VM in `target` proves that the action was carried out. Not so for a reboot, which leaves the state as it was, nor
  // for a restore, which needs the VMM's own answer.
  bool state_tells = false;
  bool overtakes = false;  // is carried out whatever else is under way, even if the VM's state is unknown
};

inline constexpr ActionTraits kActionTraits[] = {
    {.action = Action::start, .name = "start", .target = VmState::running, .begins = true, .state_tells = true},
    {.action = Action::stop, .name = "stop", .target = VmState::shutdown, .precedence = 1, .state_tells = true},
    {.action = Action::force_stop,
     .name = "force-stop",
     .target = VmState::shutdown,
     .precedence = 2,
     .state_tells = true,
     .overtakes = true},
    {.action = Action::pause, .name = "pause", .target = VmState::paused, .state_tells = true},
    {.action = Action::resume, .name = "resume", .target = VmState::running, .state_tells = true},
    {.action = Action::reboot, .name = "reboot", .target = VmState::running},
    {.action = Action::remove, .name = "delete", .target = VmState::shutdown, .precedence = 3, .overtakes = true},
    {.action = Action::resize, .name = "resize"},
    {.action = Action::snapshot, .name = "snapshot"},
    {.action = Action::restore, .name = "restore", .target = VmState::running, .begins = true},
    {.action = Action::drop_snapshot, .name = "delete-snapshot"},
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
