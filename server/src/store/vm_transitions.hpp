// How a VM's record follows what becomes known of it: what its node reports, or that nothing is heard. The store calls
// these on the copy of a record that it is about to publish, under its state lock. They know neither the database nor a
// clock: `now` is the wall clock's time, which the record keeps for people.
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
// as new is known already. The machine of the first report that names one stays frozen, until a start settles a draft.
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

}  // namespace qarax::server
