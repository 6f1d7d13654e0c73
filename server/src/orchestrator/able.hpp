// Whether what is asked of a VM is possible, as far as that is known without its node's doing it: asked before anything
// is recorded, and by whoever only wants to know.
#pragma once

#include <optional>
#include <string_view>

#include "fleet.hpp"
#include "qarax/core/lifecycle.hpp"
#include "store.hpp"

namespace qarax::server {

// FAILED_PRECONDITION "unsupported-by-hypervisor", UNIMPLEMENTED "node-outdated". No statement where the host or its
// plugins aren't known: its node will say.
Status check_able(const VmRecord& vm, core::Action action, const Store& store, const Fleet& nodes);
// The same for what is no action. `feature`: of the node. Empty: none is needed.
Status check_able(const VmRecord& vm, std::string_view capability, std::string_view feature, const Store& store,
                  const Fleet& nodes);

// UNAVAILABLE "read-only": the store refuses every change.
Status check_writable(const Store& store);
// Why a VM that is as it is can't do that; of a start of one that may still run, where. UNAVAILABLE "node-unreachable"
// where only its host could say how it is: nothing else that could be asked for would get further.
Error refusal_of(const VmRecord& vm, core::Action action, const Store& store, const Fleet& nodes);

// Whether a job can be cancelled; the job as it is. NOT_FOUND "job-not-found", FAILED_PRECONDITION "job-finished",
// "not-cancellable", UNAVAILABLE "node-unreachable".
Result<JobPtr> check_cancel(const std::string& job_id, Store& store, const Fleet& nodes);
// A cancel that came too late.
Error has_ended(const Job& job);

// INVALID_ARGUMENT "validation", FAILED_PRECONDITION "no-host-fits": no VM of that size could ever be.
Status check_size(const VmRecord& vm, const core::ResizeCommand& size, const Store& store);

// What a start or restore begins with: the VM's own, or the snapshot's. NOT_FOUND "snapshot-not-found".
Result<VmSpec> spec_to_begin(const VmRecord& vm, core::Action action, const JobArguments& arguments,
                             const Store& store);

}  // namespace qarax::server
