// Makes the events of the store's changes from the records as they are at that moment.
#pragma once

#include "event.hpp"
#include "job.hpp"

namespace qarax::server::events {

// `job_id`: the job that did it; empty: no job did.
Event vm_created(const VmRecord& vm, const std::string& job_id);
Event vm_deleted(const VmRecord& vm, const std::string& job_id);
// A user edited the VM.
Event vm_changed(const VmRecord& vm, const std::string& job_id);
// From `before` to the record's present state.
Event vm_status_changed(const VmRecord& vm, VmState before);
Event host_added(const HostRecord& host, const std::string& job_id);
Event host_changed(const HostRecord& host, const std::string& job_id);
Event host_removed(const HostRecord& host, const std::string& job_id);
Event host_status_changed(const HostRecord& host, HostStatus before);
// `vm`: the job's VM as this change leaves it; null: the VM is gone.
Event job_started(const Job& job, const VmRecord* vm);
Event job_finished(const Job& job, const VmRecord* vm);

}  // namespace qarax::server::events
