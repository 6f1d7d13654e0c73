// Whether an action on a VM is possible, as far as that is known without asking its node to do it. Checked before a job
// is recorded, and by dry runs.
#pragma once

#include <optional>
#include <string_view>

#include "fleet.hpp"
#include "qarax/core/lifecycle.hpp"
#include "store.hpp"

namespace qarax::server {

// FAILED_PRECONDITION "unsupported-by-hypervisor", UNIMPLEMENTED "node-outdated". Ok if the host or its plugins aren't
// known: then its node decides.
Status check_able(const VmRecord& vm, core::Action action, const StoreReads& store, const Fleet& nodes);
// The same for requests that aren't actions. `feature` is one of the node. An empty name: none is needed.
Status check_able(const VmRecord& vm, std::string_view capability, std::string_view feature, const StoreReads& store,
                  const Fleet& nodes);

// UNAVAILABLE "read-only": the store refuses every change.
Status check_writable(const StoreReads& store);
// Why the action isn't possible in the VM's present state; for a start of a VM that may still run, also where it may
// run. UNAVAILABLE "node-unreachable" if the state is unknown and the host can't be reached: no other action would get
// further.
Error refusal_of(const VmRecord& vm, core::Action action, const StoreReads& store, const Fleet& nodes);

// Checks that a job can be cancelled and returns it. NOT_FOUND "job-not-found", FAILED_PRECONDITION "job-finished",
// "not-cancellable", UNAVAILABLE "node-unreachable".
Result<JobPtr> check_cancel(const std::string& job_id, Store& store, const Fleet& nodes);
// The error for a cancel that came too late.
Error has_ended(const Job& job);

// INVALID_ARGUMENT "validation", FAILED_PRECONDITION "no-host-fits": no host could ever take a VM of that size.
Status check_size(const VmRecord& vm, const core::ResizeCommand& size, const StoreReads& store);

// The spec that a start or restore begins with: the VM's own, or the snapshot's. NOT_FOUND "snapshot-not-found".
Result<VmSpec> spec_to_begin(const VmRecord& vm, core::Action action, const JobArguments& arguments,
                             const StoreReads& store);

}  // namespace qarax::server
