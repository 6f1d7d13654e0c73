#include "job_command.hpp"

#include "placing.hpp"

namespace qarax::server {

namespace {

core::StartCommand start_command(const VmRecord& vm) {
  return server::start_command(vm, vm.observed.hypervisor.empty() ? vm.hypervisor : vm.observed.hypervisor);
}

// What the node must know of a job beside the action.
std::string document_of(const JobRecord& job, const VmRecord& vm) {
  switch (job.action) {
    case core::Action::start:
      return encode(start_command(vm));
    case core::Action::stop:
      return encode(core::StopCommand{job.timeout_ms});
    case core::Action::resize:
      return encode(job.arguments.resize);
    case core::Action::snapshot:
    case core::Action::drop_snapshot:
      return encode(core::SnapshotCommand{job.arguments.snapshot, job.arguments.name});
    case core::Action::restore:
      return encode(core::RestoreCommand{start_command(vm), job.arguments.snapshot});
    case core::Action::force_stop:
    case core::Action::pause:
    case core::Action::resume:
    case core::Action::reboot:
    case core::Action::remove:
      break;  // the action alone is enough
  }
  return {};
}

// Translates a node's error into the terms of the REST API.
void translate(Error& error, core::Action action) {
  if (error.reason == "capability-missing") error.reason = "unsupported-by-hypervisor";
  if (error.reason.empty() && (error.code == Code::invalid_argument || error.code == Code::out_of_range))
    error.reason = "validation";
  if (action != core::Action::resize) return;
  for (ErrorDetail& detail : error.details) {
    if (detail.pointer == "/vcpus") detail.pointer = "/desired_vcpus";
    if (detail.pointer == "/memory") detail.pointer = "/desired_ram";
  }
}

}  // namespace

NodeCommand command_of(const JobRecord& job, const VmRecord& vm) {
  return {job.action, job.vm_id, job.incarnation, job.revision, job.request_id, document_of(job, vm)};
}

std::optional<Error> fault_of(const JobRecord& job, const CommandOutcome& outcome) {
  if (outcome.error || job.action != core::Action::remove || (outcome.report && outcome.report->deleted))
    return outcome.error;
  return delete_not_confirmed();
}

Error explained(Error said, const JobRecord& job, const std::string& vm_name) {
  Error error = std::move(said).context("VM " + vm_name + " could not " + std::string(core::to_string(job.action)));
  if (error.reason == "vm-not-found") error = not_at_its_node(std::move(error));
  translate(error, job.action);
  // An error to which neither node nor plugin gave a reason comes from the VMM.
  if (error.reason.empty())
    error.reason = error.code == Code::cancelled           ? "cancelled"
                   : error.code == Code::deadline_exceeded ? "vmm-silent"
                   : error.code == Code::unavailable       ? "vmm-gone"
                                                           : "vmm-failed";
  return error;
}

}  // namespace qarax::server
