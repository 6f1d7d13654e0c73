#include "event_makers.hpp"

#include "qarax/core/clock.hpp"
#include "qarax/core/enum_name.hpp"

namespace qarax::server::events {

namespace {

Event now(const char* type) {
  Event event;
  event.type = type;
  event.timestamp = core::to_rfc3339(std::chrono::system_clock::now());
  return event;
}

Event of_vm(const char* type, const VmRecord& vm) {
  Event event = now(type);
  event.vm_id = vm.id;
  event.vm_name = vm.name;
  event.host_id = vm.host_id;
  event.tags = vm.tags;
  return event;
}

Event of_host(const char* type, const HostRecord& host) {
  Event event = now(type);
  event.host_id = host.id;
  event.host_name = host.name;
  return event;
}

Event of_job(const char* type, const Job& job, const VmRecord* vm) {
  Event event = now(type);
  if (!job.vm_id.empty()) event.vm_id = job.vm_id;
  if (!job.vm_name.empty()) event.vm_name = job.vm_name;
  if (!job.host_id.empty()) event.host_id = job.host_id;
  event.job_id = job.id;
  event.action = job.action;
  if (vm != nullptr) event.tags = vm->tags;
  event.new_status = core::enum_name(job.state);
  return event;
}

void set_reason(Event& event, const std::string& reason) {
  if (!reason.empty()) event.reason = reason;
}

}  // namespace

Event vm_created(const VmRecord& vm, const std::string& job_id) {
  Event event = of_vm("vm.created", vm);
  if (!job_id.empty()) event.job_id = job_id;
  event.new_status = core::enum_name(vm.observed.status.state);
  return event;
}

Event vm_changed(const VmRecord& vm, const std::string& job_id) {
  Event event = of_vm("vm.changed", vm);
  event.job_id = job_id;
  return event;
}

Event vm_deleted(const VmRecord& vm, const std::string& job_id) {
  Event event = of_vm("vm.deleted", vm);
  if (!job_id.empty()) event.job_id = job_id;
  event.previous_status = core::enum_name(vm.observed.status.state);
  return event;
}

Event vm_status_changed(const VmRecord& vm, VmState before) {
  Event event = of_vm("vm.status_changed", vm);
  event.previous_status = core::enum_name(before);
  event.new_status = core::enum_name(vm.observed.status.state);
  set_reason(event, vm.observed.status.status_reason);
  return event;
}

Event host_added(const HostRecord& host, const std::string& job_id) {
  Event event = of_host("host.added", host);
  event.job_id = job_id;
  event.new_status = core::enum_name(host.status);
  return event;
}

Event host_changed(const HostRecord& host, const std::string& job_id) {
  Event event = of_host("host.changed", host);
  event.job_id = job_id;
  return event;
}

Event host_removed(const HostRecord& host, const std::string& job_id) {
  Event event = of_host("host.removed", host);
  event.job_id = job_id;
  event.previous_status = core::enum_name(host.status);
  return event;
}

Event host_status_changed(const HostRecord& host, HostStatus before) {
  Event event = of_host("host.status_changed", host);
  event.previous_status = core::enum_name(before);
  event.new_status = core::enum_name(host.status);
  set_reason(event, host.status_reason);
  return event;
}

Event job_started(const Job& job, const VmRecord* vm) { return of_job("job.started", job, vm); }

Event job_finished(const Job& job, const VmRecord* vm) {
  Event event = of_job("job.finished", job, vm);
  if (job.error) set_reason(event, job.error->message);
  return event;
}

}  // namespace qarax::server::events
