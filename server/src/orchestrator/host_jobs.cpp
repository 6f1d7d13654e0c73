#include "host_jobs.hpp"

#include <algorithm>
#include <utility>

#include "qarax/core/clock.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

// What a collect is answered with, as its job keeps it.
struct Collected {
  std::vector<core::Leftover> leftovers{};
};

}  // namespace qarax::server

template <>
struct qarax::Fields<qarax::server::Collected> {
  static constexpr std::string_view kName = "Collected";
  static constexpr auto kTable = field_table(field<&server::Collected::leftovers>("leftovers"));
};
QARAX_FIELDS_COMPLETE(qarax::server::Collected);

namespace qarax::server {

namespace {

constexpr std::int64_t kAttemptMs = 2'000;   // for a connection
constexpr std::int64_t kRemovalMs = 30'000;  // the node's time for it, where nobody waits
constexpr std::int64_t kReplayMs = 60'000;

bool may_be_otherwise_soon(const Error& error) {
  if (error.reason == "stale-session" || error.reason == "still-running" || error.reason == "recovering") return true;
  if (error.reason == "vmm-silent" || error.reason == "vmm-failed") return false;  // the node's last word
  return error.code == Code::unavailable || error.code == Code::deadline_exceeded || error.code == Code::cancelled ||
         error.code == Code::unknown;
}

// Of what was there before the first time, and of what the node answers at a later one: that tells no more of what the
// first time removed.
Collected told_twice(Collected before, const std::vector<core::Leftover>& now) {
  const auto same = [](const core::Leftover& one) {
    return [&one](const core::Leftover& other) { return one.kind == other.kind && one.name == other.name; };
  };
  for (core::Leftover& one : before.leftovers) {
    const auto found = std::find_if(now.begin(), now.end(), same(one));
    if (found != now.end())
      one = *found;
    else
      one.removed = true;
  }
  for (const core::Leftover& one : now)
    if (std::none_of(before.leftovers.begin(), before.leftovers.end(), same(one))) before.leftovers.push_back(one);
  return before;
}

// As GET of the job shows it: with every member.
std::string outcome_of(const Collected& collected) { return encode(collected, Defaults::write); }

// There is no job yet that could go on.
Error not_begun(Error error) {
  if (error.code != Code::deadline_exceeded) return error;
  return make_error(Code::unavailable, "the node didn't answer in time, and nothing was begun: " + error.message,
                    "node-unreachable");
}

// What a job does ends it, also where it throws: nobody else would.
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

Result<JobPtr> HostJobs::begin(std::string_view action, const std::string& host_id, const std::string& vm_id) {
  BeginHostJob asked{std::string(action), host_id, vm_id};
  if (action == kRemoveUnmanaged) {
    const auto revision = adopter_.revision_to_remove(host_id, vm_id);
    if (!revision) return not_begun(revision.error());
    asked.revision = *revision;
  }
  if (action == kCollectLeftovers) {
    auto there = adopter_.leftovers(host_id, false);
    if (!there) return not_begun(there.error());
    asked.outcome = outcome_of(Collected{std::move(*there)});
  }
  QARAX_TRY(JobPtr job, store_.begin_host_job(asked));
  core::logger("jobs")->info("{} begun host={} job={} vm={} request={}", action, host_id, job->id, vm_id,
                             job->request_id);
  note_asked(job, "");
  return job;
}

Result<JobPtr> HostJobs::in_background(std::string_view action, const std::string& host_id, const std::string& vm_id) {
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

// The job that this request was at its first time, at its end.
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
  // What this server's own end broke off hasn't failed, nor has what the node may be doing still.
  if (orchestrator_.is_closed()) return not_ended(job_id);
  if (job->action == kInitHost) return fail(job_id, done.error());
  take_up(job, "the node gave no answer at first; this is what became of it");
  return not_ended(job_id);
}

Error HostJobs::fail(const std::string& job_id, Error error) {
  // Each may be asked for twice, also with its key.
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
    QARAX_TRY(const JobPtr job, begin(kInitHost, host_id));
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
  // Whatever became of it is told by the job.
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
  QARAX_TRY(const JobPtr job, begin(kRemoveUnmanaged, host_id, vm_id));
  return end(job->id, attempt([&] { return adopter_.remove_vm(host_id, vm_id, job->revision, timeout_ms); }));
}

Result<std::vector<core::Leftover>> HostJobs::collect(const std::string& host_id) {
  QARAX_TRY(const JobPtr before, claimed());
  if (before) {
    QARAX_TRY(Collected kept, decode<Collected>(std::string_view(before->outcome), Unknown::ignore));
    return std::move(kept.leftovers);
  }
  QARAX_TRY(const JobPtr job, begin(kCollectLeftovers, host_id));
  auto found = attempt([&] { return adopter_.leftovers(host_id, true); });
  QARAX_CHECK(end(job->id, found ? Status(Ok{}) : Status(found.error()), found ? outcome_of(Collected{*found}) : ""));
  return found;
}

void HostJobs::take_up(const JobPtr& job, std::string why) {
  if (!why.empty()) note_asked(job, "taken up again");
  open_.add(job, std::move(why));
}

// True where it came to its end.
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

Status HostJobs::carry_on(const Job& job, std::string& outcome) {
  const HostPtr host = store_.host(job.host_id);
  if (!host) return make_error(Code::not_found, "host " + job.host_id + " was removed since", "host-not-found");
  if (job.action == kAdoptHost) {
    if (adopter_.is_obeyed(job.host_id)) return Ok{};
    const auto connected = orchestrator_.init_host(job.host_id, kAttemptMs);
    if (adopter_.is_obeyed(job.host_id)) return Ok{};
    // Whom it obeys now may be another one than when this was confirmed: taking it is an operator's word, once each.
    const HostPtr now = store_.host(job.host_id);
    const std::string reason = connected ? "" : connected.error().reason;
    if ((now && !now->needs_adopt.empty()) || reason == "other-cluster" || reason == "stale-term")
      return make_error(Code::aborted,
                        "the node of host " + host->name +
                            " wasn't told of it, and obeys another server; make a new plan and adopt it",
                        "plan-changed");
    return connected ? make_error(Code::unavailable, "host " + host->name + " isn't up yet", "node-unreachable")
                     : connected.error();
  }
  auto connected = orchestrator_.init_host(job.host_id, kAttemptMs);
  if (!connected) return connected.error();
  // As for one that would begin now, and whatever of it was begun before.
  if (const std::string why = store_.read_only(); !why.empty() && job.action != kInitHost) return read_only(why);
  if (job.action == kRemoveUnmanaged) {
    if (store_.vm(job.vm_id))
      return make_error(Code::aborted, "VM " + job.vm_id + " is this server's by now; DELETE it there", "wrong-state");
    Status removed = adopter_.remove_vm(job.host_id, job.vm_id, job.revision, kRemovalMs);
    // It was there when this began.
    if (!removed && removed.error().reason == "vm-not-found") return Ok{};
    return removed;
  }
  if (job.action == kCollectLeftovers) {
    QARAX_TRY(Collected told,
              decode<Collected>(std::string_view(job.outcome.empty() ? "{}" : job.outcome), Unknown::ignore));
    QARAX_TRY(const auto found, adopter_.leftovers(job.host_id, true));
    outcome = outcome_of(told_twice(std::move(told), found));
  }
  return Ok{};
}

}  // namespace qarax::server
