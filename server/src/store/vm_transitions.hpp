// How a VM's record changes with what becomes known: a node's report, silence, the end of a job. The store calls these
// functions on the copy of a record that it is about to publish, under its state lock. They use neither the database
// nor a clock: `now` is the wall clock's time, which the record keeps for people.
#pragma once

#include <chrono>
#include <string>

#include "qarax/core/documents.hpp"
#include "records.hpp"

namespace qarax::server {

using WallTime = std::chrono::system_clock::time_point;

enum class ReportOf {
  vm,   // the node reports the VM's state, by itself or in a snapshot
  job,  // the node's answer to the VM's job, which ends with it
};

// Applies the report to the record and returns true. Returns false and leaves the record unchanged if the report
// doesn't apply to this VM: the node has no such VM, another incarnation is meant, or the record is at least as new. A
// report that an earlier incarnation is shut down does count if the start after it came to nothing: in the job's own
// report, or for a VM that is unknown and has no job. The machine of the first report that names one stays frozen until
// a start settles a draft.
bool observe(VmRecord& vm, const core::VmReport& report, ReportOf of, WallTime now);

// For the node's answer to a start or restore that failed, where observe() had no use for it: the server had lost sight
// of the node by then, or the node has no such VM. If the answer says that the start never began, the VM becomes what
// it was before, as only this server starts it, and true is returned. False: the answer doesn't say so, or the VM isn't
// unknown for want of news.
bool observe_unbegun(VmRecord& vm, const core::VmReport& answer, WallTime now);

// For a report that observe() refused. If its node knows only an earlier incarnation of a VM that is unknown for want
// of news and has no job, that is the reason from now on, and true is returned. False: the record is unchanged.
bool note_outdated(VmRecord& vm, const core::VmReport& report);

// Makes the VM unknown because the server heard nothing of it. Any report that follows counts as newer, even one that
// was made before. `unknown_since` keeps the time of the first such call, or report, in a row.
void lose_sight(VmRecord& vm, const std::string& reason, WallTime now);

// If the guest powered itself off, shutdown becomes the desired state, with the guest as its origin. A VMM that crashed
// or was killed doesn't change the desired state.
void heed_power_off(VmRecord& vm);

// A VM that was adopted before its node had looked at it has no desired state yet: it gets the observed one, as every
// other adopted VM does.
void learn_wish(VmRecord& vm);

// Ends the VM's job with that state. If it failed or was cancelled, the desired state becomes what it was before the
// job, except for its revision, which stays the job's.
void end_job(VmRecord& vm, const JobRecord& job, JobState state);

// A restore completed: the VM takes the snapshot's spec and machine, and no draft is left to settle.
void take_machine(VmRecord& vm, const SnapshotRecord& snapshot);

}  // namespace qarax::server
