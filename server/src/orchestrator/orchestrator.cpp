#include "orchestrator.hpp"

#include <chrono>

#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {

constexpr auto kTick = std::chrono::milliseconds(500);
constexpr int kAttempts = 16;  // against other changes of the same VM

Error not_found(const std::string& vm_id) {
  return make_error(Code::not_found, "there is no VM " + vm_id, "vm-not-found");
}

Error with_job(Error error, const std::string& job_id) {
  error.details.push_back({"/job_id", job_id});
  return error;
}

}  // namespace

Orchestrator::Orchestrator(Store& store, Nodes& nodes, Options options)
    : store_(store), nodes_(nodes), options_(options), pool_(2, 64) {
  nodes_.on({[this](const std::string& host_id) { pool_.post([this, host_id] { host_up(host_id); }); },
             [this](const VmPtr& vm, const core::VmReport& report) { saw_report(vm, report); }});
  thread_ = std::thread([this] { ticks(); });
}

Orchestrator::~Orchestrator() { shutdown(0); }

void Orchestrator::start() {
  for (const HostPtr& host : store_.hosts()) nodes_.start(host);
}

void Orchestrator::shutdown(std::int64_t grace_ms) {
  std::map<std::string, WaiterPtr> waiting;
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  // Callers get the grace to hear of their job's end; then they hear where to look for it.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(grace_ms);
  std::unique_lock quiet(mutex_);
  no_waiters_.wait_until(quiet, until, [&] { return waiters_.empty(); });
  quiet.unlock();
  {
    const std::lock_guard lock(mutex_);
    waiting = waiters_;
  }
  for (const auto& [job_id, waiter] : waiting)
    finish_waiter(job_id, nullptr,
                  with_job(make_error(Code::unavailable, "the server is ending; the job goes on when it is back",
                                      "shutting-down"),
                           job_id));
  {
    const std::lock_guard lock(tick_mutex_);
    stopping_ = true;
  }
  tick_.notify_all();
  if (thread_.joinable()) thread_.join();
  nodes_.stop();
  pool_.stop();
  store_.flush();
}

Result<VmPtr> Orchestrator::create(const NewVmInput& input) {
  QARAX_CHECK(could_fit({input.name, input.hypervisor, input.spec}, store_.hosts()));
  return store_.create_vm(input);
}

Error Orchestrator::unreachable(const VmRecord& vm) const {
  const HostPtr host = vm.host_id ? store_.host(*vm.host_id) : nullptr;
  Error error = make_error(Code::unavailable,
                           "VM " + vm.name + " is on host " + (host ? host->name : "?") + ", which can't be reached" +
                               (host && !host->status_reason.empty() ? ": " + host->status_reason : ""),
                           "node-unreachable");
  error.retryable = true;
  error.retry_after_ms = 2000;
  return error;
}

std::int64_t Orchestrator::timeout_of(const JobRecord& job) const {
  if (job.action == core::Action::start) return options_.start_timeout_ms;
  if (job.action == core::Action::stop) return job.timeout_ms + options_.action_timeout_ms;
  return options_.action_timeout_ms;
}

// `unchanged` is set where the VM is as asked for already and no job is needed.
Result<BegunJob> Orchestrator::begin(const std::string& vm_id, core::Action action, const ActOptions& options,
                                     VmPtr& unchanged) {
  for (int attempt = 0;; ++attempt) {
    const VmPtr vm = store_.vm(vm_id);
    if (!vm) return not_found(vm_id);
    const bool busy = !vm->job_id.empty();
    // While a job is under way its VM's state is about to change: whether this one may overtake it is the store's to
    // say.
    const VmState state = vm->observed.status.state;
    if (!busy) {
      const auto verdict = core::judge(action, state);
      if (verdict == core::Verdict::no_change) {
        unchanged = vm;
        return BegunJob{};
      }
      if (verdict == core::Verdict::refuse) return core::refusal(action, state, vm->name);
    }
    BeginJob job;
    job.vm_id = vm_id;
    job.action = action;
    job.expected_revision = vm->revision;
    job.request_id = options.request_id;
    if (action == core::Action::stop) job.timeout_ms = options_.stop_timeout_ms;
    if (action == core::Action::start && !busy) {
      std::map<std::string, std::int64_t> reserved;
      for (const Reservation& one : store_.reservations())
        if (one.vm_id != vm_id) reserved[one.host_id] += one.memory;
      std::vector<Candidate> candidates;
      for (const HostPtr& host : store_.hosts()) {
        // A VM that was started once stays where its folder is.
        if (vm->host_id && host->id != *vm->host_id) continue;
        const auto link = nodes_.link(host->id);
        candidates.push_back({host, reserved[host->id], link && link->is_up()});
      }
      if (vm->host_id && vm->incarnation > 0 && !candidates.empty() && !candidates.front().reachable)
        return unreachable(*vm);
      QARAX_TRY(job.placement, place({vm->name, vm->hypervisor, vm->spec}, candidates));
    } else if (action != core::Action::start) {
      const auto link = vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
      if (!link || !link->is_up()) return unreachable(*vm);
    }
    auto begun = store_.begin_job(job);
    if (begun) return begun;
    const std::string& reason = begun.error().reason;
    // Lost a race against another change: look again.
    if ((reason != "changed" && !(reason == "no-host-fits" && begun.error().code == Code::resource_exhausted)) ||
        attempt >= kAttempts)
      return begun;
  }
}

Result<VmPtr> Orchestrator::act(const std::string& vm_id, core::Action action, const ActOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return make_error(Code::unavailable, "the server is ending; ask again in a moment", "shutting-down");
  }
  VmPtr unchanged;
  QARAX_TRY(const BegunJob begun, begin(vm_id, action, options, unchanged));
  if (unchanged) return unchanged;
  auto waiter = std::make_shared<Waiter>();
  {
    const std::lock_guard lock(mutex_);
    waiters_[begun.job.id] = waiter;
  }
  if (!begun.superseded.empty()) {
    std::shared_ptr<grpc::ClientContext> context;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = in_flight_.find(begun.superseded); found != in_flight_.end()) context = found->second;
    }
    if (context) context->TryCancel();
    finish_waiter(begun.superseded, nullptr,
                  with_job(make_error(Code::aborted,
                                      "the " + std::string(core::to_string(action)) +
                                          " that was asked for meanwhile took its place",
                                      "superseded"),
                           begun.superseded));
  }
  ++jobs_started_;
  send(begun.job);
  if (options.respond_async) return begun.vm;
  return wait(begun, waiter, options.wait_ms);
}

Result<VmPtr> Orchestrator::wait(const BegunJob& begun, const WaiterPtr& waiter, std::int64_t wait_ms) {
  std::unique_lock lock(waiter->mutex);
  if (!waiter->changed.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return waiter->finished; })) {
    lock.unlock();
    const std::lock_guard all(mutex_);
    waiters_.erase(begun.job.id);
    return with_job(
        make_error(Code::deadline_exceeded,
                   "the " + std::string(core::to_string(begun.job.action)) + " of VM " + begun.vm->name +
                       " is still going on after " + std::to_string(wait_ms / 1000) + " s; GET the VM to see its end",
                   "deadline-exceeded"),
        begun.job.id);
  }
  if (waiter->error) return *waiter->error;
  return waiter->vm;
}

Status Orchestrator::remove(const std::string& vm_id, bool forget, const ActOptions& options) {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return not_found(vm_id);
  if (!vm->host_id) return store_.remove_vm(vm_id, false);
  const auto link = nodes_.link(*vm->host_id);
  if (!link || !link->is_up()) {
    if (!forget) {
      Error error = unreachable(*vm);
      error.hint = "DELETE with ?forget=true removes the record now; the node deletes the VM when it is back";
      return error;
    }
    return store_.remove_vm(vm_id, true);
  }
  auto removed = act(vm_id, core::Action::remove, options);
  if (!removed) return std::move(removed).error();
  return Ok{};
}

void Orchestrator::send(const JobRecord& job) {
  const VmPtr vm = store_.vm(job.vm_id);
  const auto link = vm && vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
  if (!link) return;
  node::v1::CommandRequest request;
  request.set_vm(job.vm_id);
  request.set_incarnation(job.incarnation);
  request.set_revision(job.revision);
  request.set_step(1);
  request.set_request_id(job.request_id);
  switch (job.action) {
    case core::Action::start: {
      request.set_action(node::v1::ACTION_START);
      core::StartCommand command;
      command.name = vm->name;
      command.hypervisor = vm->hypervisor;
      command.spec = vm->spec;
      command.resolved = vm->resolved;
      command.boot_source_id = vm->boot_source_id;
      request.set_document(encode(command));
      break;
    }
    case core::Action::stop:
      request.set_action(node::v1::ACTION_STOP);
      request.set_document(encode(core::StopCommand{job.timeout_ms}));
      break;
    case core::Action::force_stop:
      request.set_action(node::v1::ACTION_FORCE_STOP);
      break;
    case core::Action::pause:
      request.set_action(node::v1::ACTION_PAUSE);
      break;
    case core::Action::resume:
      request.set_action(node::v1::ACTION_RESUME);
      break;
    case core::Action::reboot:
      request.set_action(node::v1::ACTION_REBOOT);
      break;
    case core::Action::remove:
      request.set_action(node::v1::ACTION_DELETE);
      break;
  }
  {
    const std::lock_guard lock(mutex_);
    // Taken before the call, so that a tick meanwhile doesn't send it twice.
    if (closed_ || !in_flight_.emplace(job.id, nullptr).second) return;
  }
  auto context = link->execute(std::move(request), timeout_of(job), [this, job](CommandOutcome outcome) {
    pool_.post([this, job, outcome = std::move(outcome)] {
      {
        const std::lock_guard lock(mutex_);
        in_flight_.erase(job.id);
      }
      decided(job, outcome);
    });
  });
  const std::lock_guard lock(mutex_);
  if (const auto found = in_flight_.find(job.id); found != in_flight_.end()) found->second = std::move(context);
}

void Orchestrator::decided(const JobRecord& job, const CommandOutcome& outcome) {
  if (!outcome.decided) {
    // The job stays open; the next tick, or the node's return, asks again. A caller isn't kept for a node that is gone.
    const VmPtr vm = store_.vm(job.vm_id);
    const auto link = vm && vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
    if (outcome.error && outcome.error->code == Code::unavailable && (!link || !link->is_up()) && vm)
      finish_waiter(job.id, vm, with_job(unreachable(*vm), job.id));
    return;
  }
  if (job.action == core::Action::remove && !outcome.error) {
    const Status removed = store_.remove_vm(job.vm_id, false);
    ++jobs_completed_;
    finish_waiter(job.id, nullptr, removed ? std::nullopt : std::optional<Error>(removed.error()));
    return;
  }
  const bool failed = outcome.error.has_value();
  const VmPtr vm = store_.finish_job(job.id, failed ? JobState::failed : JobState::completed, outcome.report);
  if (vm) ++(failed ? jobs_failed_ : jobs_completed_);
  std::optional<Error> error = outcome.error;
  if (error) {
    const VmPtr now = vm ? vm : store_.vm(job.vm_id);
    // In place: assigned to itself it would move its own text away.
    static_cast<void>(std::move(*error).context("VM " + (now ? now->name : job.vm_id) + " could not " +
                                                std::string(core::to_string(job.action))));
    if (error->reason.empty()) error->reason = "vmm-failed";
    core::logger("jobs")->error("{} failed vm={} job={} reason={}", core::to_string(job.action), job.vm_id, job.id,
                                core::log_value(error->message));
  }
  finish_waiter(job.id, vm ? vm : store_.vm(job.vm_id), std::move(error));
}

void Orchestrator::finish_waiter(const std::string& job_id, const VmPtr& vm, std::optional<Error> error) {
  WaiterPtr waiter;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiters_.find(job_id);
    if (found == waiters_.end()) return;
    waiter = found->second;
    waiters_.erase(found);
  }
  no_waiters_.notify_all();
  {
    const std::lock_guard lock(waiter->mutex);
    waiter->finished = true;
    waiter->vm = vm;
    waiter->error = std::move(error);
  }
  waiter->changed.notify_all();
}

// A job whose reply was lost or is late is decided by what the node says is true now, after that very revision.
void Orchestrator::saw_report(const VmPtr& vm, const core::VmReport& report) {
  if (vm->job_id.empty() || report.revision < vm->revision) return;
  {
    const std::lock_guard lock(mutex_);
    if (in_flight_.contains(vm->job_id)) return;
  }
  for (const JobRecord& job : store_.unfinished_jobs()) {
    if (job.id != vm->job_id || job.action == core::Action::reboot || job.action == core::Action::remove) continue;
    if (report.status.state != core::target(job.action)) continue;
    pool_.post([this, job, report] { decided(job, {true, report, std::nullopt}); });
  }
}

void Orchestrator::enforce_tombstones(const std::string& host_id) {
  const auto link = nodes_.link(host_id);
  for (const auto& [vm_id, revision] : store_.tombstones(host_id)) {
    node::v1::CommandRequest request;
    request.set_vm(vm_id);
    request.set_revision(revision);
    request.set_step(1);
    request.set_action(node::v1::ACTION_DELETE);
    if (!link) return;
    link->execute(std::move(request), options_.action_timeout_ms, [this, vm = vm_id](const CommandOutcome& outcome) {
      if (!outcome.decided || outcome.error) return;
      pool_.post([this, vm] { static_cast<void>(store_.drop_tombstone(vm)); });
    });
  }
}

void Orchestrator::host_up(const std::string& host_id) {
  enforce_tombstones(host_id);
  for (const JobRecord& job : store_.unfinished_jobs()) {
    const VmPtr vm = store_.vm(job.vm_id);
    if (vm && vm->host_id == host_id) send(job);
  }
}

void Orchestrator::ticks() {
  std::unique_lock lock(tick_mutex_);
  while (!stopping_) {
    tick_.wait_for(lock, kTick, [&] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    nodes_.check_heartbeats();
    for (const JobRecord& job : store_.unfinished_jobs()) {
      const VmPtr vm = store_.vm(job.vm_id);
      const auto link = vm && vm->host_id ? nodes_.link(*vm->host_id) : nullptr;
      if (link && link->is_up()) send(job);
    }
    lock.lock();
  }
}

Status Orchestrator::read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                                  const std::function<bool(std::string_view)>& sink,
                                  std::shared_ptr<grpc::ClientContext> context) {
  const VmPtr vm = store_.vm(vm_id);
  if (!vm) return not_found(vm_id);
  if (!vm->host_id) return Ok{};  // never started: an empty log
  const auto link = nodes_.link(*vm->host_id);
  if (!link || !link->is_up()) return unreachable(*vm);
  auto read = link->read_console(vm_id, tail_bytes, follow, sink, std::move(context));
  if (!read && (read.error().reason == "no-console" || read.error().reason == "vm-not-found")) return Ok{};
  return read;
}

Result<HostPtr> Orchestrator::add_host(const NewHostInput& input) {
  QARAX_TRY(HostPtr host, store_.add_host(input));
  nodes_.start(host);
  return host;
}

Result<HostPtr> Orchestrator::init_host(const std::string& host_id, std::int64_t timeout_ms) {
  const HostPtr host = store_.host(host_id);
  if (!host) return make_error(Code::not_found, "there is no host " + host_id, "host-not-found");
  nodes_.start(host);
  const auto link = nodes_.link(host_id);
  if (!link) return make_error(Code::unavailable, "the server is ending", "shutting-down");
  QARAX_CHECK(link->connect_now(timeout_ms));
  return store_.host(host_id);
}

}  // namespace qarax::server
