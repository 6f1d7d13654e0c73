// A VM's job as a command in its node's terms, and the node's answer in the job's and the REST API's. Pure functions.
#pragma once

#include <optional>
#include <string>

#include "fleet.hpp"
#include "records.hpp"

namespace qarax::server {

NodeCommand command_of(const JobRecord& job, const VmRecord& vm);

// The error of the job, if it failed; for an outcome that is decided. A delete has succeeded only if the node says that
// the VM is gone: the record that is then removed is the last trace of a VMM that may run.
std::optional<Error> fault_of(const JobRecord& job, const CommandOutcome& outcome);

// The node's error in the terms of the REST API, always with a reason.
Error explained(Error said, const JobRecord& job, const std::string& vm_name);

}  // namespace qarax::server
