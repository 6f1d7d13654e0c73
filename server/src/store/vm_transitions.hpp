// How a VM's record follows what becomes known of it: what its node reports, that nothing is heard, how its job ended.
// The store calls these on the copy of a record that it is about to publish, under its state lock. They know neither
// the database nor a clock: `now` is the wall clock's time, which the record keeps for people.
#pragma once

#include <chrono>
#include <string>

#include "qarax/core/documents.hpp"
#include "records.hpp"

namespace qarax::server {

using WallTime = std::chrono::system_clock::time_point;

enum class ReportOf {
  vm,   // the node tells how the VM is, unasked or in a snapshot
  job,  // the node answers the VM's job with it, which ends by that
};

// The record takes over what the report says, and the function returns true. It returns false and leaves the record as
// it is where the report says nothing of this VM: the node has no such VM, another incarnation is meant, or something
// as new is known already. That an earlier incarnation is shut down does count where the start after it came to
// nothing: in the job's own report, or for a VM that is unknown and has no job. The machine of the first report that
// names one stays frozen, until a start settles a draft.
bool observe(VmRecord& vm, const core::VmReport& report, ReportOf of, WallTime now);

// The VM becomes unknown, by the server's own conclusion from hearing nothing. Any report that follows counts as newer,
// also one that was made before. `unknown_since` names the first such conclusion, or report, in a row.
void lose_sight(VmRecord& vm, const std::string& reason, WallTime now);

// A guest that powered itself off meant it: shutdown becomes the desired state, on the guest's behalf. A VMM that
// crashed or was killed changes no wish.
void heed_power_off(VmRecord& vm);

// A VM that was adopted before its node had looked at it has no desired state yet. It gets the observed one, as every
// other adopted VM has.
void learn_wish(VmRecord& vm);

// The job that the VM was busy with has come to that end. Where the job failed or was cancelled, the VM is meant to be
// again what it was meant to be before; the desired state's revision stays the job's.
void end_job(VmRecord& vm, const JobRecord& job, JobState state);

// A restore was carried out: the VM's spec and its machine are the snapshot's, and no draft is left to settle.
void take_machine(VmRecord& vm, const SnapshotRecord& snapshot);

}  // namespace qarax::server
