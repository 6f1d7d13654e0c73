// From a job in the store to its command at the node and back to its end.
#include <chrono>

#include "action_facts.hpp"
#include "orchestrator.hpp"
#include "placing.hpp"
#include "qarax/core/scope.hpp"
#include "qarax/core/threads.hpp"

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

NodeCommand command_of(const JobRecord& job, const VmRecord& vm) {
  return {job.action, job.vm_id, job.incarnation, job.revision, job.request_id, document_of(job, vm)};
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

// The error of the job, if it failed. A delete has succeeded only if the node says that the VM is gone: the record that
// is then removed is the last trace of a VMM that may run.
std::optional<Error> fault_of(const JobRecord& job, const CommandOutcome& outcome) {
  if (outcome.error || job.action != core::Action::remove || (outcome.report && outcome.report->deleted))
    return outcome.error;
  return delete_not_confirmed();
}

}  // namespace

std::int64_t Orchestrator::timeout_of(const JobRecord& job) const {
  switch (facts_of(job.action).patience) {
    case Patience::start:
      return options_.start_timeout_ms;
    case Patience::snapshot:
      return options_.snapshot_timeout_ms;
    case Patience::guests:
      return job.timeout_ms + options_.action_timeout_ms;
    case Patience::any:
      break;
  }
  return options_.action_timeout_ms;
}

void Orchestrator::send(const JobRecord& job) {
  // A job in a database that was set back may have been carried out long ago, followed by others.
  if (!store_.read_only().empty()) return;
  const VmPtr vm = store_.vm(job.vm_id);
  // The VM was deleted meanwhile. For the caller of a delete that is success.
  if (!vm) return waiters_.finish(job.id, {nullptr, std::nullopt});
  const auto link = vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
  if (!link) return;
  {
    const std::lock_guard lock(mutex_);
    // Inserted before the call, so that a tick in between doesn't send the job twice.
    if (closed_ || !in_flight_.emplace(job.id, nullptr).second) return;
  }
  // An exception before the call is made must not leave the job in flight: no tick would send it again.
  core::Scope unclaim([&] { call_ended(job.id); });
  note_sent(job, *vm);
  auto cancel = link->execute(command_of(job, *vm), timeout_of(job), [this, job](CommandOutcome outcome) {
    // The thread that receives replies decides: it doesn't write to the database, but it does wait for a commit under
    // way, as every change of the store's memory does. Handing over to another thread would cost a pause a tenth of its
    // time. A delete is written in a transaction, so the pool takes it.
    if (job.action != core::Action::remove) return answered(job, outcome);
    const bool posted = core::guarded(
        "orchestrator", [&] { pool_.post([this, job, outcome = std::move(outcome)] { answered(job, outcome); }); });
    if (!posted) call_ended(job.id);  // the next tick sends the delete again, and the node repeats its answer
  });
  unclaim.dismiss();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = in_flight_.find(job.id); found != in_flight_.end()) found->second = cancel;
  }
  // The job was superseded while the call was being made, when it couldn't be cancelled yet.
  if (const JobPtr told = store_.job_book().find(job.id); told && told->state == JobState::superseded) cancel();
}

void Orchestrator::answered(const JobRecord& job, const CommandOutcome& outcome) {
  call_ended(job.id);
  decided(job, outcome);
}

void Orchestrator::call_ended(const std::string& job_id) {
  const std::lock_guard lock(mutex_);
  in_flight_.erase(job_id);
}

void Orchestrator::put_aside(const std::string& job_id, core::Action by) {
  // Answers the caller first, so that it doesn't get the node's answer to the cancel as the reason.
  waiters_.finish(job_id, {nullptr, with_job(make_error(Code::aborted,
                                                        "the " + std::string(core::to_string(by)) +
                                                            " that was asked for meanwhile took its place",
                                                        "superseded"),
                                             job_id)});
  if (cancel_at_node(job_id)) return;
  // The node may be at work on it while no call of this server waits for it: the call exceeded its deadline, or an
  // earlier server made it.
  const JobPtr job = store_.job_book().find(job_id);
  const auto link = job ? nodes_.link(job->host_id) : nullptr;
  if (link && link->knows(core::kFeatureCancel)) link->cancel(job->vm_id, job->revision, job->request_id);
}

// The node's error in the terms of the REST API.
Error Orchestrator::explained(Error said, const JobRecord& job, const std::string& vm_name) const {
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

void Orchestrator::decided(const JobRecord& job, const CommandOutcome& outcome) {
  const JobPtr told = store_.job_book().find(job.id);
  // The late result of a superseded job is ignored. A caller that began to wait after the job was superseded is told
  // here.
  if (told && told->state == JobState::superseded)
    return waiters_.finish(
        job.id,
        {nullptr, with_job(make_error(Code::aborted, "this job was replaced by a later one", "superseded"), job.id)});
  const bool cancelling = told && told->cancelling;
  if (!outcome.decided) {
    // The job stays open; the next tick, or the node's return, sends it again. Callers don't wait for a node that can't
    // be reached.
    const VmPtr vm = store_.vm(job.vm_id);
    if (vm && !is_reachable(*vm, nodes_)) return waiters_.finish(job.id, {vm, with_job(unreachable(*vm), job.id)});
    // An older node has no Cancel, so the call itself was ended. Asks the node what became of the command.
    if (cancelling && outcome.error && outcome.error->code == Code::cancelled) send(job);
    return;
  }
  const std::optional<Error> said = fault_of(job, outcome);
  if (job.action == core::Action::remove && !said) {
    const auto removed = store_.remove_vm(job.vm_id, Removal::by_job);
    return waiters_.finish(job.id, {nullptr, removed ? std::nullopt : std::optional<Error>(removed.error())});
  }
  std::optional<Error> error;
  JobState state = JobState::completed;
  if (said) {
    const VmPtr vm = store_.vm(job.vm_id);
    error = explained(*said, job, vm ? vm->name : job.vm_id);
    state = cancelling && error->code == Code::cancelled ? JobState::cancelled : JobState::failed;
  }
  VmPtr vm = store_.finish_job(job.id, state, outcome.report, error);
  // A report of the node has ended the job already.
  if (!vm) vm = store_.vm(job.vm_id);
  waiters_.finish(job.id, {vm, std::move(error)});
}

// Ends a job whose reply was lost or is late if the node reports the job's target state at the job's revision or a
// later one.
void Orchestrator::saw_report(const VmPtr& vm, const core::VmReport& report) {
  if (vm->job_id.empty() || report.revision < vm->revision) return;
  {
    const std::lock_guard lock(mutex_);
    if (in_flight_.contains(vm->job_id)) return;
  }
  for (const JobRecord& job : store_.unfinished_jobs()) {
    if (job.id != vm->job_id || !core::state_tells(job.action)) continue;
    if (report.status.state != core::target(job.action)) continue;
    pool_.post([this, job, report] { decided(job, {true, report, std::nullopt}); });
  }
}

// It stays in memory: what is written down of a job is what was decided.
void Orchestrator::saw_progress(const std::string& host_id, const core::CommandProgress& progress) {
  const VmPtr vm = store_.vm(progress.vm);
  if (!vm || vm->host_id != host_id || vm->job_id.empty()) return;
  store_.job_book().update(vm->job_id, [&](Job& told) {
    if (told.state == JobState::running && told.revision == progress.revision)
      told.progress = JobProgress{progress.step, progress.done, progress.total};
  });
}

}  // namespace qarax::server
