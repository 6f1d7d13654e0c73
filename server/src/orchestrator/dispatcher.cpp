#include "dispatcher.hpp"

#include <chrono>
#include <utility>

#include "action_facts.hpp"
#include "job_command.hpp"
#include "placing.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/scope.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::server {

Dispatcher::Dispatcher(Store& store, const Fleet& nodes, JobWaiters& waiters, core::WorkerPool& pool, Timeouts timeouts,
                       std::stop_token closing)
    : store_(store), nodes_(nodes), waiters_(waiters), pool_(pool), timeouts_(timeouts), closing_(std::move(closing)) {}

std::int64_t Dispatcher::timeout_of(const JobRecord& job) const {
  switch (facts_of(job.action).patience) {
    case Patience::start:
      return timeouts_.start_ms;
    case Patience::snapshot:
      return timeouts_.snapshot_ms;
    case Patience::guests:
      return job.timeout_ms + timeouts_.action_ms;
    case Patience::any:
      break;
  }
  return timeouts_.action_ms;
}

void Dispatcher::note_sent(const JobRecord& job, const VmRecord& vm) {
  const HostPtr host = store_.host(*vm.host_id);
  store_.job_book().update(job.id, [&](Job& told) {
    ++told.asked;
    if (told.asked == 1)
      told.steps.push_back(
          {"node", StepState::running, core::to_rfc3339(std::chrono::system_clock::now()), std::nullopt, std::nullopt});
    told.steps.back().detail = "host " + (host ? host->name : *vm.host_id) +
                               (told.asked > 1 ? ", asked " + std::to_string(told.asked) + " times" : "");
  });
}

void Dispatcher::send(const JobRecord& job) {
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
    if (closing_.stop_requested() || !in_flight_.emplace(job.id, nullptr).second) return;
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

void Dispatcher::answered(const JobRecord& job, const CommandOutcome& outcome) {
  call_ended(job.id);
  decided(job, outcome);
}

void Dispatcher::call_ended(const std::string& job_id) {
  const std::lock_guard lock(mutex_);
  in_flight_.erase(job_id);
}

bool Dispatcher::is_in_flight(const std::string& job_id) const {
  const std::lock_guard lock(mutex_);
  return in_flight_.contains(job_id);
}

void Dispatcher::send_all_of(const std::string& host_id) {
  for (const JobRecord& job : store_.unfinished_jobs()) {
    const VmPtr vm = store_.vm(job.vm_id);
    if (vm && vm->host_id == host_id) core::guarded("orchestrator", [&] { send(job); });
  }
}

void Dispatcher::look_after(const JobRecord& job) {
  const VmPtr vm = store_.vm(job.vm_id);
  if (!vm) return;
  if (is_reachable(*vm, nodes_)) {
    send(job);
    if (const JobPtr told = store_.job_book().find(job.id); told && told->cancelling) cancel_at_node(job.id);
    return;
  }
  if (!is_in_flight(job.id) && waiters_.waits(job.id))
    waiters_.finish(job.id, {vm, with_job(unreachable(*vm, store_), job.id)});
}

bool Dispatcher::cancel_at_node(const std::string& job_id) {
  std::function<void()> cancel;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = in_flight_.find(job_id); found != in_flight_.end()) cancel = found->second;
  }
  if (cancel) cancel();
  return static_cast<bool>(cancel);
}

void Dispatcher::put_aside(const std::string& job_id, core::Action by) {
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

void Dispatcher::decided(const JobRecord& job, const CommandOutcome& outcome) {
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
    if (vm && !is_reachable(*vm, nodes_))
      return waiters_.finish(job.id, {vm, with_job(unreachable(*vm, store_), job.id)});
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

void Dispatcher::saw_report(const VmPtr& vm, const core::VmReport& report) {
  if (vm->job_id.empty() || report.revision < vm->revision) return;
  if (is_in_flight(vm->job_id)) return;
  for (const JobRecord& job : store_.unfinished_jobs()) {
    if (job.id != vm->job_id || !core::state_tells(job.action)) continue;
    if (report.status.state != core::target(job.action)) continue;
    pool_.post([this, job, report] { decided(job, {true, report, std::nullopt}); });
  }
}

// It stays in memory: what is written down of a job is what was decided.
void Dispatcher::saw_progress(const std::string& host_id, const core::CommandProgress& progress) {
  const VmPtr vm = store_.vm(progress.vm);
  if (!vm || vm->host_id != host_id || vm->job_id.empty()) return;
  store_.job_book().update(vm->job_id, [&](Job& told) {
    if (told.state == JobState::running && told.revision == progress.revision)
      told.progress = JobProgress{progress.step, progress.done, progress.total};
  });
}

}  // namespace qarax::server
