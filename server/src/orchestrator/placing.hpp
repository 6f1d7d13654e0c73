// Where a VM would start now. Asked by a start, and by whoever only wants to know.
#pragma once

#include "fleet.hpp"
#include "scheduler.hpp"
#include "store.hpp"

namespace qarax::server {

// With `spec`, its own or a snapshot's. UNAVAILABLE "node-unreachable" for a VM that was started before, on a host that
// doesn't answer; else place()'s errors.
Result<Placement> place_vm(const VmRecord& vm, const VmSpec& spec, const Store& store, const Fleet& nodes);

// Its host can be asked now.
bool is_reachable(const VmRecord& vm, const Fleet& nodes);
// It can't, and why.
Error unreachable(const VmRecord& vm, const Store& store);

// It isn't at its node; here it is, and GET shows it: FAILED_PRECONDITION "wrong-state".
Error not_at_its_node(Error said);
// What its node said, or didn't, to a question about it, in the words of the REST API.
Error answer_of_node(Error said, const VmRecord& vm, const Store& store);

// What its node gets for a start under that placement.
core::StartCommand start_command(const VmRecord& vm, const std::string& hypervisor);

}  // namespace qarax::server
