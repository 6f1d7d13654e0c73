#include "event_makers.hpp"

#include "qarax/core/clock.hpp"

namespace qarax::server::events {

namespace {

template <class E>
std::string name_of(E value) {
  return std::string(EnumNames<E>::kNames[static_cast<std::size_t>(value)]);
}

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
  return event;
}

Event of_host(const char* type, const HostRecord& host) {
  Event event = now(type);
  event.host_id = host.id;
  event.host_name = host.name;
  return event;
}

Event of_job(const char* type, const VmRecord& vm, const JobRecord& job, JobState state) {
  Event event = of_vm(type, vm);
  event.job_id = job.id;
  event.action = core::to_string(job.action);
  event.new_status = name_of(state);
  return event;
}

void set_reason(Event& event, const std::string& reason) {
  if (!reason.empty()) event.reason = reason;
}

}  // namespace

Event vm_created(const VmRecord& vm) {
  Event event = of_vm("vm.created", vm);
  event.new_status = name_of(vm.observed.status.state);
  return event;
}

Event vm_deleted(const VmRecord& vm) {
  Event event = of_vm("vm.deleted", vm);
  event.previous_status = name_of(vm.observed.status.state);
  return event;
}

Event vm_status_changed(const VmRecord& vm, VmState before) {
  Event event = of_vm("vm.status_changed", vm);
  event.previous_status = name_of(before);
  event.new_status = name_of(vm.observed.status.state);
  set_reason(event, vm.observed.status.status_reason);
  return event;
}

Event host_added(const HostRecord& host) {
  Event event = of_host("host.added", host);
  event.new_status = name_of(host.status);
  return event;
}

Event host_status_changed(const HostRecord& host, HostStatus before) {
  Event event = of_host("host.status_changed", host);
  event.previous_status = name_of(before);
  event.new_status = name_of(host.status);
  set_reason(event, host.status_reason);
  return event;
}

Event job_started(const VmRecord& vm, const JobRecord& job) {
  return of_job("job.started", vm, job, JobState::running);
}

Event job_finished(const VmRecord& vm, const JobRecord& job, JobState state) {
  return of_job("job.finished", vm, job, state);
}

}  // namespace qarax::server::events
