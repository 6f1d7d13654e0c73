#include "host_jobs.hpp"

#include <algorithm>
#include <chrono>

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

constexpr std::int64_t kAttemptMs = 2'000;
constexpr std::int64_t kReplayMs = 60'000;

bool may_be_otherwise_soon(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::deadline_exceeded || error.code == Code::cancelled ||
         error.code == Code::unknown;
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

HostJobs::HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator, Options options)
    : store_(store),
      adopter_(adopter),
      orchestrator_(orchestrator),
      options_(options),
      left_(store.unfinished_host_jobs()) {}
HostJobs::HostJobs(Store& store, Adopter& adopter, Orchestrator& orchestrator)
    : HostJobs(store, adopter, orchestrator, Options{}) {}

HostJobs::~HostJobs() {
  static_cast<void>(stop());
  if (thread_.joinable()) thread_.join();
}

void HostJobs::start() {
  if (left_.empty()) return;
  resuming_ = true;
  thread_ = std::thread([this] { resume_all(); });
}

bool HostJobs::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  return !resuming_;
}

Result<JobPtr> HostJobs::begin(std::string_view action, const std::string& host_id, const std::string& vm_id) {
  QARAX_TRY(JobPtr job, store_.begin_host_job({std::string(action), host_id, vm_id}));
  core::logger("jobs")->info("{} begun host={} job={} vm={} request={}", action, host_id, job->id, vm_id,
                             job->request_id);
  note_asked(job, "");
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
  // What this server's own end broke off hasn't failed.
  if (!done && orchestrator_.is_closed() && may_be_otherwise_soon(done.error())) return not_ended(job_id);
  if (done) {
    store_.finish_host_job(job_id, std::nullopt, outcome);
    return Ok{};
  }
  Error error = done.error();
  core::logger("jobs")->error("a host's job failed job={} reason={}", job_id, core::log_value(error.message));
  // Each may be asked for twice.
  if (may_be_otherwise_soon(error)) {
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
  QARAX_CHECK(adopter_.remove_vm(host_id, vm_id, timeout_ms, true));
  QARAX_TRY(const JobPtr job, begin(kRemoveUnmanaged, host_id, vm_id));
  return end(job->id, attempt([&] { return adopter_.remove_vm(host_id, vm_id, timeout_ms); }));
}

Result<std::vector<core::Leftover>> HostJobs::collect(const std::string& host_id) {
  QARAX_TRY(const JobPtr before, claimed());
  if (before) {
    QARAX_TRY(Collected kept, decode<Collected>(std::string_view(before->outcome), Unknown::ignore));
    return std::move(kept.leftovers);
  }
  QARAX_CHECK(adopter_.leftovers(host_id, false));
  QARAX_TRY(const JobPtr job, begin(kCollectLeftovers, host_id));
  auto found = attempt([&] { return adopter_.leftovers(host_id, true); });
  QARAX_CHECK(end(job->id, found ? Status(Ok{}) : Status(found.error()), found ? encode(Collected{*found}) : ""));
  return found;
}

void HostJobs::resume_all() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.resume_for_ms);
  std::vector<JobPtr> open = std::move(left_);
  for (const JobPtr& job : open) note_asked(job, "taken up by the next server");
  std::unique_lock lock(mutex_);
  while (!stopping_ && !open.empty()) {
    lock.unlock();
    const bool last = std::chrono::steady_clock::now() >= until;
    std::erase_if(open, [&](const JobPtr& job) { return resume(*job, last); });
    lock.lock();
    changed_.wait_for(lock, std::chrono::milliseconds(options_.resume_every_ms),
                      [&] { return stopping_ || open.empty(); });
  }
  resuming_ = false;
}

// True where it came to its end.
bool HostJobs::resume(const Job& job, bool last) {
  if (orchestrator_.is_closed()) return false;
  std::string outcome;
  const Status done = attempt([&] { return carry_on(job, outcome); });
  if (!done && may_be_otherwise_soon(done.error()) && (!last || orchestrator_.is_closed())) return false;
  if (done) return static_cast<void>(end(job.id, done, outcome)), true;
  Error error = done.error();
  error.message = "the server ended while this went on, and the next one couldn't go on with it: " + error.message;
  static_cast<void>(end(job.id, error));
  return true;
}

Status HostJobs::carry_on(const Job& job, std::string& outcome) {
  const HostPtr host = store_.host(job.host_id);
  if (!host) return make_error(Code::not_found, "host " + job.host_id + " was removed since", "host-not-found");
  if (job.action == kAdoptHost) {
    const auto is_told = [&] {  // it obeys this server
      const HostPtr now = store_.host(job.host_id);
      return now && now->status == HostStatus::up && now->needs_adopt.empty();
    };
    if (is_told()) return Ok{};
    const auto connected = orchestrator_.init_host(job.host_id, kAttemptMs);
    if (is_told()) return Ok{};
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
  if (job.action == kRemoveUnmanaged) {
    if (store_.vm(job.vm_id))
      return make_error(Code::aborted, "VM " + job.vm_id + " is this server's by now; DELETE it there", "wrong-state");
    Status removed = adopter_.remove_vm(job.host_id, job.vm_id, kAttemptMs);
    // It was there when this began.
    if (!removed && removed.error().reason == "vm-not-found") return Ok{};
    return removed;
  }
  if (job.action == kCollectLeftovers) {
    QARAX_TRY(auto found, adopter_.leftovers(job.host_id, true));
    outcome = encode(Collected{std::move(found)});
  }
  return Ok{};
}

}  // namespace qarax::server
