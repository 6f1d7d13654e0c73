// Remembers of a VM that its guest has run, in a file in the run folder. QEMU calls a VM "prelaunch" before its first
// instruction, but also one that was reset while it was paused: only the first of them is an interrupted start. The
// file needs to outlive the agent, not the host, so it isn't synced.
#pragma once

#include <string>

#include "qmp_client.hpp"

namespace qarax::qemu {

// Best effort: without the note, e.g. on a full disk, a VM that is reset while it is paused can't be told from one
// whose start was broken off.
void note_first_run(const std::string& run_dir);
void forget_first_run(const std::string& run_dir);  // before a VM is started

// QEMU's answer to query-status, as it is meant for the VM of that run folder: "paused" for a "prelaunch" of a guest
// that has run; anything else is as it is.
Result<std::string> ask_state(const plugin::Call& call, QmpClient& qmp, const std::string& run_dir);

}  // namespace qarax::qemu
