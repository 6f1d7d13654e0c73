// Reads the files that a VM's supervisor writes into its run folder (agent/supervisor/README.md).
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

// The record's pids name processes of the boot that it was written in. In another boot they may be other processes'.
bool is_of_this_boot(const SupervisorRecord& record);

// NOT_FOUND: never written. DATA_LOSS: unreadable, or in a newer format than this agent knows.
Result<SupervisorRecord> read_supervisor_record(const std::string& run_dir);
// Waits while a supervisor holds its lock without a record, which takes milliseconds unless it dies. UNAVAILABLE: it
// still has no record at the deadline, which `limits` must have. CANCELLED.
Result<SupervisorRecord> settled_supervisor_record(const std::string& run_dir, const CallLimits& limits);
// nullopt: not written (the VMM runs, or its supervisor was lost).
std::optional<ExitInfo> read_exit_record(const std::string& run_dir);
// The exit record of that VMM which its supervisor has written, and which wasn't put in place: on a slow disk the
// supervisor may be killed before that. Only for a supervisor that is gone, and in the boot of both. nullopt: there is
// none.
std::optional<ExitInfo> read_begun_exit_record(const std::string& run_dir, const SupervisorRecord& of);
// The pid of the supervisor that holds the folder's lock, even if it has written nothing yet; 0 if it has no pid in
// this PID namespace. nullopt: nobody holds the lock. An error: it can't be found out, e.g. without free descriptors.
Result<std::optional<std::int32_t>> supervisor_lock_holder(const std::string& run_dir);
// True also if that can't be found out, because its VMM may run.
bool supervisor_holds_lock(const std::string& run_dir);
// The end of the VMM's own log, up to 4096 bytes.
std::string vmm_log_tail(const std::string& run_dir);

}  // namespace qarax::agent
