// Events as the store's changes make them, each with what its record says then.
#pragma once

#include "event.hpp"
#include "job.hpp"

namespace qarax::server::events {

// `job_id`: of what did it; empty: no job did.
Event vm_created(const VmRecord& vm, const std::string& job_id);
Event vm_deleted(const VmRecord& vm, const std::string& job_id);
// What its user wrote of it.
Event vm_changed(const VmRecord& vm, const std::string& job_id);
// From `before` to what the record says now.
Event vm_status_changed(const VmRecord& vm, VmState before);
Event host_added(const HostRecord& host, const std::string& job_id);
Event host_changed(const HostRecord& host, const std::string& job_id);
Event host_removed(const HostRecord& host, const std::string& job_id);
Event host_status_changed(const HostRecord& host, HostStatus before);
// `vm`: the job's, as it is with this change; null: it is gone.
Event job_started(const Job& job, const VmRecord* vm);
Event job_finished(const Job& job, const VmRecord* vm);

}  // namespace qarax::server::events
