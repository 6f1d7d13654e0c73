// The files that a VM's supervisor writes into its run folder (agent/supervisor/README.md), as the agent reads them.
#pragma once

#include <optional>
#include <string>

#include "call_limits.hpp"
#include "pidfd.hpp"
#include "qarax/plugin/vm_status.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct SupervisorRecord {
  ProcessId vmm;
  ProcessId supervisor;
  std::string boot_id;
  std::string started_at;
};

// Its numbers name processes of the boot that it was written in; in another they are somebody else's.
bool is_of_this_boot(const SupervisorRecord& record);

// NOT_FOUND: never written. DATA_LOSS: unreadable or of a format that this agent is too old for.
Result<SupervisorRecord> read_supervisor_record(const std::string& run_dir);
// Between a supervisor's start and its record lie milliseconds, or it dies and lets go of its lock: until then nobody
// knows. What is still unknown at the deadline is UNAVAILABLE.
Result<SupervisorRecord> settled_supervisor_record(const std::string& run_dir, const CallLimits& limits);
// Nothing: not written (the VMM runs, or its supervisor was lost).
std::optional<ExitInfo> read_exit_record(const std::string& run_dir);
// The pid of the supervisor that holds the folder's lock, also of one that has written nothing yet; 0 where it has no
// number in this PID namespace. Nothing: nobody holds it. An error: it can't be asked for, as without free descriptors.
Result<std::optional<std::int32_t>> supervisor_lock_holder(const std::string& run_dir);
// True also where it can't be asked for: its VMM may run.
bool supervisor_holds_lock(const std::string& run_dir);
// The last lines of the VMM's own log.
std::string vmm_log_tail(const std::string& run_dir);

// Texts that leave the host don't name its paths: `folder` becomes "<data_dir>".
void hide_folder(std::string& text, std::string_view folder);

}  // namespace qarax::agent
