// What more than one part of the server refuses, worded once: the object, why not, and what its caller can do.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::server {

// The error with "/job_id" in its details: where to look for what became of it.
Error with_job(Error error, const std::string& job_id);

// NOT_FOUND "vm-not-found", "host-not-found", "job-not-found".
Error no_such_vm(const std::string& id);
Error no_such_host(const std::string& id);
Error no_such_job(const std::string& id);
// NOT_FOUND "snapshot-not-found". `which`: more to say of the one that is wanted.
Error no_such_snapshot(const std::string& vm_name, const std::string& id, std::string_view which = "");
// ALREADY_EXISTS "name-taken". `kind` as in "VM"; `of`: whose, as in " of VM web".
Error name_taken(std::string_view kind, const std::string& name, const std::string& of = "");
// ABORTED "job-in-progress", with the job. `vm`: its name, or the id of one that the server doesn't know.
Error busy(const std::string& vm, std::string_view activity, const std::string& job_id,
           std::string_view way_out = "ask again when that has finished");
// ABORTED "precondition-failed": decided on another version of the object.
Error overtaken(std::string_view kind, const std::string& name);
// ABORTED "changed": lost a race against another change of the VM; who decides looks again.
Error changed_meanwhile(const std::string& vm_name);
// UNAVAILABLE "read-only"; `why`: Store::read_only().
Error read_only(const std::string& why);

}  // namespace qarax::server
