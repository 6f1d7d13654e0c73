#include "liveness.hpp"

#include <utility>

#include "qarax/core/lifecycle.hpp"
#include "steps.hpp"

namespace qarax::agent {

bool lives(ProcessService& processes, const std::string& vm, std::int64_t incarnation) {
  const auto process = processes.find({vm, incarnation});
  if (process) return process->alive;
  // UNAVAILABLE: a supervisor is up and hasn't recorded yet what it started. FAILED_PRECONDITION: the record
  // contradicts what is there. The record may be unreadable, too, or the end not be recorded yet.
  const Code code = process.error().code;
  return code == Code::unavailable || code == Code::failed_precondition ||
         (code != Code::not_found && processes.is_supervised(vm));
}

VmStatus believed(ProcessService& processes, const std::string& vm, std::int64_t incarnation, VmStatus said) {
  if (core::has_vmm(said.state) && said.status_reason.empty() && processes.has_lost_supervisor(vm, incarnation))
    said.status_reason =
        "its supervisor is gone, and with it its console and its VMM's exit code, until its next start";
  if (core::may_have_vmm(said.state) || !lives(processes, vm, incarnation)) return said;
  return status_with(VmState::unknown, "its plugin says that it is " + std::string(to_string(said.state)) +
                                           " while its VMM runs; force-stop or delete it");
}

VmStatus ended_without_plugin(const Result<Process>& process) {
  VmStatus status;
  status.state = VmState::shutdown;
  if (process && !process->alive) status.exit = process->exit;
  explain_end(status);
  return status;
}

void explain_end(VmStatus& status) {
  if (!status.status_reason.empty() || !status.exit) return;
  if (status.exit->kind == ExitKind::signaled)
    status.status_reason = "the VMM was killed by signal " + std::to_string(status.exit->signal);
  if (status.exit->kind == ExitKind::exited)
    status.status_reason = "the VMM exited with code " + std::to_string(status.exit->code);
  if (status.exit->kind == ExitKind::unknown)
    status.status_reason = "the VMM is gone and nothing recorded how it ended (supervisor lost)";
}

}  // namespace qarax::agent
