// Makes the arguments of a driver call about a VM. Private to the manager.
#pragma once

#include <string>

#include "call_limits.hpp"
#include "driver.hpp"
#include "process_service.hpp"
#include "progress_feed.hpp"
#include "vm.hpp"

namespace qarax::agent {

// The limit of a call that undoes something, or carries it through after the agent's restart.
inline constexpr std::int64_t kUndoMs = 10'000;

// Any thread. The call keeps the VM alive, and keeps the handle that the plugin gives it in the VM's folder.
DriverCall call_for(const std::shared_ptr<Vm>& vm, const CallLimits& limits, const std::string& request_id = {});
// The call of a command. It also reports to `progress`, which outlives the call, how far the command is.
DriverCall call_for(const std::shared_ptr<Vm>& vm, const Command& command, int cancel_fd, ProgressFeed& progress);
DriverCall call_to_undo(const std::shared_ptr<Vm>& vm, std::int64_t limit_ms = kUndoMs);

// On the VM's strand. Names the VM's current incarnation. Fails if its handle can't be read.
Result<VmArgs> args_for(const Vm& vm, const ProcessService& processes);

// Fails unless the plugin reports the state that the command leads to.
Status check_arrival(const Command& command, const VmStatus& said);

}  // namespace qarax::agent
