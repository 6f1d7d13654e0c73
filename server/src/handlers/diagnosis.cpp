#include "handlers/diagnosis.hpp"

#include <algorithm>

#include "handlers/host_document.hpp"
#include "handlers/job_document.hpp"
#include "qarax/core/enum_name.hpp"

namespace qarax::server {

namespace {

constexpr std::size_t kLastJobs = 10;
constexpr std::int64_t kConsoleTail = 4096;
constexpr std::chrono::seconds kPatience{10};

std::string source_of(const VmRecord& vm, const HostPtr& host) {
  const Observed& observed = vm.observed;
  if (!host) return "this server: it was never started";
  if (observed.session.empty())
    return "this server; the node of host " + host->name + " has not reported this VM yet, or can't";
  return "the node of host " + host->name + ", session " + observed.session;
}

void add_console(api::Diagnosis& out, const VmRecord& vm, Operations& operations, const std::string& request_id) {
  auto reader = operations.console(vm, kConsoleTail, false, request_id);
  if (!reader) {
    out.notes.push_back("no console: " + reader.error().message);
    return;
  }
  std::string text;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    const auto piece = (*reader)->next(std::chrono::duration_cast<std::chrono::milliseconds>(kPatience));
    if (!piece) out.notes.push_back("the console broke off: " + piece.error().message);
    if (!piece || !*piece) break;
    text.append(**piece);
  }
  out.console = json::repair_utf8(text);
}

void add_vmm_log(api::Diagnosis& out, const VmRecord& vm, Operations& operations) {
  // The node reported the log of an ended VMM together with its exit.
  if (const auto& exit = vm.observed.status.exit; exit && !exit->log_tail.empty()) {
    out.vmm_log = exit->log_tail;
    return;
  }
  auto log = operations.vmm_log(vm);
  if (log)
    out.vmm_log = json::repair_utf8(*log);
  else
    out.notes.push_back("no log of the VMM: " + log.error().message);
}

}  // namespace

api::Diagnosis diagnose(const VmPtr& vm, Store& store, Operations& operations, const VmRenderer& renderer,
                        const std::string& request_id) {
  api::Diagnosis out;
  out.vm = renderer.document(*vm, renderer.default_hypervisor());
  out.desired = {vm->desired.state, std::string(core::enum_name(vm->desired.origin)), vm->desired.revision};
  const HostPtr host = vm->host_id ? store.host(*vm->host_id) : nullptr;
  const Observed& observed = vm->observed;
  out.observed.status = observed.status.state;
  out.observed.reason = observed.status.status_reason;
  out.observed.source = source_of(*vm, host);
  if (!observed.observed_at.empty()) out.observed.observed_at = observed.observed_at;
  out.observed.incarnation = observed.incarnation;
  out.observed.seq = observed.seq;
  out.drift = drifts(*vm);
  if (host) out.host = host_document(*host);
  JobQuery last;
  last.vm_id = vm->id;
  last.limit = kLastJobs;
  if (const auto jobs = store.jobs(last))
    for (const JobPtr& job : *jobs) out.jobs.push_back(job_document(*job));
  else
    out.notes.push_back("no jobs: " + jobs.error().message);
  if (!host) return out;
  add_vmm_log(out, *vm, operations);
  add_console(out, *vm, operations, request_id);
  return out;
}

}  // namespace qarax::server
