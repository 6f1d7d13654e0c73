#include "host_jobs.hpp"

#include <algorithm>
#include <utility>

#include "collected.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kReplayMs = 60'000;  // a repeated request waits this long for its job

bool may_be_otherwise_soon(const Error& error) {
  if (error.reason == "stale-session" || error.reason == "still-running" || error.reason == "recovering") return true;
  if (error.reason == "vmm-silent" || error.reason == "vmm-failed") return false;  // the node's last word
  return error.code == Code::unavailable || error.code == Code::deadline_exceeded || error.code == Code::cancelled ||
         error.code == Code::unknown;
}

// Turns an exception of a job's work into an Error, so that the job ends: nothing else would end it.
template <class F>
auto attempt(F work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& e) {
    return make_error(Code::internal, e.what());
  }
}

}  // namespace

HostJobs::HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator, OpenJobs::Options options)
    : store_(store),
      adopter_(adopter),
      orchestrator_(orchestrator),
      open_(options, [this](const Job& job, const std::string& why, bool last) { return resume(job, why, last); }) {
  // Seen before any request can begin one of its own.
  for (const JobPtr& job : store.unfinished_host_jobs())
    take_up(job, "the server ended while this went on, and the next one couldn't go on with it");
}
HostJobs::HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator)
    : HostJobs(store, adopter, orchestrator, OpenJobs::Options{}) {}

Result<JobPtr> HostJobs::begin(HostAction action, const std::string& host_id, const std::string& vm_id) {
  BeginHostJob asked{action, host_id, vm_id};
  if (const auto prepare = row_of(action).prepare) QARAX_CHECK((this->*prepare)(asked));
  QARAX_TRY(JobPtr job, store_.begin_host_job(asked));
  core::logger("jobs")->info("{} begun host={} job={} vm={} request={}", to_string(action), host_id, job->id, vm_id,
                             job->request_id);
  note_asked(job, "");
  return job;
}

Result<JobPtr> HostJobs::in_background(HostAction action, const std::string& host_id, const std::string& vm_id) {
  QARAX_TRY(JobPtr job, store_.claimed_job());
  if (job) return job;
  QARAX_TRY(job, begin(action, host_id, vm_id));
  take_up(job, "");
  return job;
}

void HostJobs::note_asked(const JobPtr& job, const std::string& detail) {
  const HostPtr host = store_.host(job->host_id);
  std::string text = "host " + (host ? host->name : job->host_id);
  if (!detail.empty()) text += ", " + detail;
  store_.job_book().update(job->id, [&](Job& told) {
    told.steps.push_back({"node", StepState::running, core::to_rfc3339(std::chrono::system_clock::now()), std::nullopt,
                          std::move(text)});
  });
}

// The job of this request's first time, once it has ended; null: this is its first time.
Result<JobPtr> HostJobs::claimed() {
  QARAX_TRY(JobPtr job, store_.claimed_job());
  if (job && job->state == JobState::running)
    if (JobPtr later = store_.job_book().wait(job->id, std::chrono::milliseconds(kReplayMs))) job = std::move(later);
  if (!job || job->state == JobState::completed) return job;
  if (job->state == JobState::running) return not_ended(job->id);
  return job->error.value_or(
      with_job(make_error(Code::aborted, "job " + job->id + " didn't come to its end", "superseded"), job->id));
}

Error HostJobs::not_ended(const std::string& job_id) const {
  if (orchestrator_.is_closed())
    return with_job(
        make_error(Code::unavailable, "the server is ending; the job goes on when it is back", "shutting-down"),
        job_id);
  return with_job(make_error(Code::deadline_exceeded, "job " + job_id + " is still going on", "deadline-exceeded"),
                  job_id);
}

Status HostJobs::end(const std::string& job_id, const Status& done, const std::string& outcome) {
  if (done) {
    store_.finish_host_job(job_id, std::nullopt, outcome);
    return Ok{};
  }
  const JobPtr job = store_.job_book().find(job_id);
  if (!job || !may_be_otherwise_soon(done.error())) return fail(job_id, done.error());
  // A job that this server's end interrupted hasn't failed, nor has one that the node may still be doing.
  if (orchestrator_.is_closed()) return not_ended(job_id);
  const auto action = host_action_named(job->action);
  if (!action || !row_of(*action).may_be_repeated) return fail(job_id, done.error());
  take_up(job, "the node gave no answer at first; this is what became of it");
  return not_ended(job_id);
}

Error HostJobs::fail(const std::string& job_id, Error error) {
  // The request may be made again, also with the same key.
  if (may_be_otherwise_soon(error) && !is_anothers(error)) {
    error.retryable = true;
    error.retry_after_ms = std::max<std::int64_t>(error.retry_after_ms, 1000);
  }
  store_.finish_host_job(job_id, error);
  return error;
}

Result<HostPtr> HostJobs::init(const std::string& host_id, std::int64_t wait_ms) {
  QARAX_TRY(const JobPtr before, claimed());
  if (!before) {
    QARAX_TRY(const JobPtr job, begin(HostAction::init_host, host_id));
    auto connected = attempt([&] { return orchestrator_.init_host(host_id, wait_ms); });
    QARAX_CHECK(end(job->id, connected ? Status(Ok{}) : Status(connected.error())));
    return connected;
  }
  const HostPtr host = store_.host(host_id);
  if (!host) return make_error(Code::not_found, "host " + host_id + " was removed since", "host-not-found");
  return host;
}

Result<api::AdoptPlan> HostJobs::adopt(const std::string& host_id, const std::string& plan, std::int64_t wait_ms) {
  QARAX_TRY(const JobPtr before, claimed());
  if (before) return decode<api::AdoptPlan>(std::string_view(before->outcome), Unknown::ignore);
  std::string job_id;
  auto adopted = attempt([&] { return adopter_.adopt(host_id, plan, wait_ms, job_id); });
  if (job_id.empty()) return adopted;
  QARAX_CHECK(end(job_id, adopted ? Status(Ok{}) : Status(adopted.error())));
  return adopted;
}

Result<JobPtr> HostJobs::adopt_in_background(const std::string& host_id, const std::string& plan) {
  QARAX_TRY(JobPtr job, store_.claimed_job());
  if (job) return job;
  std::string job_id;
  auto adopted = attempt([&] { return adopter_.adopt(host_id, plan, 0, job_id); });
  if (job_id.empty()) return adopted.error();
  // The job has the result.
  static_cast<void>(end(job_id, adopted ? Status(Ok{}) : Status(adopted.error())));
  return store_.job_book().find(job_id);
}

Result<VmPtr> HostJobs::adopt_vm(const std::string& host_id, const std::string& vm_id) {
  QARAX_TRY(const JobPtr before, claimed());
  if (!before) return adopter_.adopt_vm(host_id, vm_id);
  VmPtr vm = store_.vm(vm_id);
  if (!vm) return make_error(Code::not_found, "VM " + vm_id + " was deleted since", "vm-not-found");
  return vm;
}

Status HostJobs::remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t timeout_ms) {
  QARAX_TRY(const JobPtr before, claimed());
  if (before) return Ok{};
  QARAX_TRY(const JobPtr job, begin(HostAction::remove_unmanaged, host_id, vm_id));
  return end(job->id, attempt([&] { return adopter_.remove_vm(host_id, vm_id, job->revision, timeout_ms); }));
}

Result<std::vector<core::Leftover>> HostJobs::collect(const std::string& host_id) {
  QARAX_TRY(const JobPtr before, claimed());
  if (before) {
    QARAX_TRY(Collected kept, decode<Collected>(std::string_view(before->outcome), Unknown::ignore));
    return std::move(kept.leftovers);
  }
  QARAX_TRY(const JobPtr job, begin(HostAction::collect_leftovers, host_id));
  auto found = attempt([&] { return adopter_.leftovers(host_id, true); });
  QARAX_CHECK(end(job->id, found ? Status(Ok{}) : Status(found.error()), found ? outcome_of(Collected{*found}) : ""));
  return found;
}

void HostJobs::take_up(const JobPtr& job, std::string why) {
  if (!why.empty()) note_asked(job, "taken up again");
  open_.add(job, std::move(why));
}

// Returns whether the job has ended.
bool HostJobs::resume(const Job& job, const std::string& why, bool last) {
  if (orchestrator_.is_closed()) return false;
  std::string outcome;
  const Status done = attempt([&] { return carry_on(job, outcome); });
  if (!done && may_be_otherwise_soon(done.error()) && (!last || orchestrator_.is_closed())) return false;
  if (done) {
    store_.finish_host_job(job.id, std::nullopt, outcome);
    return true;
  }
  Error error = done.error();
  if (!why.empty()) error.message = why + ": " + error.message;
  static_cast<void>(fail(job.id, std::move(error)));
  return true;
}

}  // namespace qarax::server
