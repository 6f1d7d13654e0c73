// The one table that owns every change of a VM's state. REST, orchestrator and agent ask it; nobody else decides.
#pragma once

#include <string_view>

#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

enum class Action { start, stop, force_stop, pause, resume, reboot, remove };

std::string_view to_string(Action action);

enum class Verdict {
  proceed,    // carry it out
  no_change,  // already so: success without a command
  refuse,     // 409
};

// Exhaustive over both enums.
Verdict judge(Action action, VmState state);

// The state that a successful action ends in. remove: shutdown (no VMM), then the record goes.
VmState target(Action action);

// A job of higher precedence supersedes an unfinished lower one: delete > force-stop > stop > rest.
int precedence(Action action);

// The refusal, worded: "VM web is paused; start needs created or shutdown. Resume it, or stop it first."
Error refusal(Action action, VmState state, std::string_view vm_name);

}  // namespace qarax::core
