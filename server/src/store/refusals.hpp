// Errors that more than one part of the server returns, worded once: the object, the reason, and what the caller can
// do.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::server {

// Adds "/job_id" to the error's details, so that the caller can look up the outcome.
Error with_job(Error error, const std::string& job_id);

// NOT_FOUND "vm-not-found", "host-not-found", "job-not-found".
Error no_such_vm(const std::string& id);
Error no_such_host(const std::string& id);
Error no_such_job(const std::string& id);
// NOT_FOUND "snapshot-not-found". `which`: a further condition on the snapshot, as in " that is ready".
Error no_such_snapshot(const std::string& vm_name, const std::string& id, std::string_view which = "");
// ALREADY_EXISTS "name-taken". `kind` as in "VM"; `of`: the owner, as in " of VM web".
Error name_taken(std::string_view kind, const std::string& name, const std::string& of = "");
// ABORTED "job-in-progress", with the job. `vm`: the VM's name, or the id of a VM that the server doesn't know.
Error busy(const std::string& vm, std::string_view activity, const std::string& job_id,
           std::string_view way_out = "ask again when that has finished");
// ABORTED "precondition-failed": the request was made for another version of the object.
Error overtaken(std::string_view kind, const std::string& name);
// ABORTED "changed": lost a race against another change of the VM; the caller decides again on the new state.
Error changed_meanwhile(const std::string& vm_name);
// UNAVAILABLE "read-only"; `why`: Store::read_only().
Error read_only(const std::string& why);

}  // namespace qarax::server
