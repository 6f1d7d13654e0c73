#include "qarax/core/lifecycle.hpp"

#include <string>

namespace qarax::core {

std::optional<Action> action_named(std::string_view name) {
  for (const Action action : kActions)
    if (to_string(action) == name) return action;
  return std::nullopt;
}

Verdict judge(Action action, VmState state) {
  using enum Verdict;
  // In an unknown state only the actions that certainly end the VM are allowed.
  if (state == VmState::unknown) return overtakes(action) ? proceed : refuse;
  const bool idle = state == VmState::created || state == VmState::shutdown;
  switch (action) {
    case Action::start:
      return idle ? proceed : state == VmState::running ? no_change : refuse;
    case Action::pause:
      return state == VmState::running ? proceed : state == VmState::paused ? no_change : refuse;
    case Action::resume:
      return state == VmState::paused ? proceed : state == VmState::running ? no_change : refuse;
    case Action::stop:
    case Action::force_stop:
      return idle ? no_change : proceed;
    case Action::reboot:
      return state == VmState::running ? proceed : refuse;
    case Action::remove:
    case Action::drop_snapshot:
      return proceed;
    case Action::resize:
      // The resize of an idle VM takes effect at its next start.
      return state == VmState::paused ? refuse : proceed;
    case Action::snapshot:
      return idle ? refuse : proceed;
    case Action::restore:
      return idle ? proceed : refuse;
  }
  return refuse;
}

Error refusal(Action action, VmState state, std::string_view vm_name) {
  std::string_view needs;
  std::string_view way_out;
  switch (action) {
    case Action::start:
      needs = "created or shutdown";
      way_out = state == VmState::paused ? "Resume it, or stop it first." : "";
      break;
    case Action::pause:
    case Action::reboot:
      needs = "running";
      way_out = state == VmState::paused ? "Resume it first." : "Start it first.";
      break;
    case Action::resume:
      needs = "paused";
      way_out = "Start it instead.";
      break;
    case Action::resize:
      needs = "running, created or shutdown";
      way_out = "Resume it first.";
      break;
    case Action::snapshot:
      needs = "running or paused";
      way_out = "Start it first.";
      break;
    case Action::restore:
      needs = "created or shutdown";
      way_out = "Stop it first.";
      break;
    default:
      needs = "a known state";
      break;
  }
  if (state == VmState::unknown)
    way_out = "Its node can't say what it does; force-stop or delete it, or wait for the node.";
  std::string message = "VM " + std::string(vm_name) + " is " + std::string(to_string(state)) + "; " +
                        std::string(to_string(action)) + " needs " + std::string(needs) + ".";
  if (!way_out.empty()) message.append(" ").append(way_out);
  return make_error(Code::failed_precondition, std::move(message), "wrong-state");
}

}  // namespace qarax::core
