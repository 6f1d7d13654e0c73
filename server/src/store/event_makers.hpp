// Events as the store's changes make them, each with what its record says then.
#pragma once

#include "event.hpp"
#include "records.hpp"

namespace qarax::server::events {

Event vm_created(const VmRecord& vm);
Event vm_deleted(const VmRecord& vm);
// From `before` to what the record says now.
Event vm_status_changed(const VmRecord& vm, VmState before);
Event host_added(const HostRecord& host);
Event host_status_changed(const HostRecord& host, HostStatus before);
Event job_started(const VmRecord& vm, const JobRecord& job);
Event job_finished(const VmRecord& vm, const JobRecord& job, JobState state);

}  // namespace qarax::server::events
