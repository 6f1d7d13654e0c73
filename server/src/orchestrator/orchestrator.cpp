#include "orchestrator.hpp"

#include <algorithm>
#include <chrono>

#include "placing.hpp"
#include "qarax/core/logging.hpp"
#include "refusals.hpp"

namespace qarax::server {

Orchestrator::Orchestrator(Store& store, Fleet& nodes, const Options& options)
    : store_(store),
      nodes_(nodes),
      stop_timeout_ms_(options.stop_timeout_ms),
      pool_("orchestrator", 2, 64),
      dispatcher_(store, nodes, waiters_, pool_,
                  {options.start_timeout_ms, options.snapshot_timeout_ms, options.action_timeout_ms},
                  closing_.get_token()),
      undertaker_(store, nodes, pool_, options.burials, options.action_timeout_ms, closing_.get_token()),
      restarter_(
          store, nodes, options.restarts, [this](const std::string& vm_id) { return start_by_policy(vm_id); },
          closing_.get_token()),
      chores_(store, nodes, dispatcher_, undertaker_, restarter_, pool_, options.retention) {
  nodes_.on({[this](const std::string& host_id) { pool_.post([this, host_id] { host_up(host_id); }); },
             [this](const VmPtr& vm, const core::VmReport& report) { dispatcher_.saw_report(vm, report); },
             [this](const std::string& host_id, const core::CommandProgress& progress) {
               dispatcher_.saw_progress(host_id, progress);
             }});
  chores_.start();
}

Orchestrator::~Orchestrator() { shutdown(0); }

void Orchestrator::start() {
  for (const HostPtr& host : store_.hosts()) nodes_.start(host);
}

void Orchestrator::shutdown(std::int64_t grace_ms) {
  if (!closing_.request_stop()) return;  // somebody has called it already
  // Callers have `grace_ms` to get their job's result; after that they are told which job to look up.
  waiters_.wait_until_none(std::chrono::steady_clock::now() + std::chrono::milliseconds(grace_ms));
  store_.job_book().stop_waiting();
  // From here on nobody waits for a lost database either, because the threads that might are joined below.
  store_.stop_waiting();
  waiters_.finish_all([](const std::string& job_id) {
    return JobWaiters::Outcome{
        nullptr, with_job(make_error(Code::unavailable, "the server is ending; the job goes on when it is back",
                                     "shutting-down"),
                          job_id)};
  });
  // Whoever calls others ends before them. The chores' thread sends over links and posts to the pool. The fleet's
  // threads post to the pool too, even as they end: then each command in flight is answered as undecided. The pool runs
  // what is queued, and the store gets the last of it.
  chores_.stop();
  nodes_.stop();
  pool_.stop();
  store_.flush();
}

Result<VmPtr> Orchestrator::create(const NewVmInput& input) {
  QARAX_TRY(const JobPtr claimed, store_.claimed_job());
  if (claimed) return outcome_of(*claimed, {});
  QARAX_CHECK(could_fit({input.name, input.hypervisor, input.spec}, store_.hosts()));
  return store_.create_vm(input);
}

void Orchestrator::host_up(const std::string& host_id) {
  undertaker_.bury_all(host_id);
  dispatcher_.send_all_of(host_id);
}

Status Orchestrator::start_by_policy(const std::string& vm_id) {
  ActOptions options;
  options.respond_async = true;
  options.origin = Origin::policy;
  QARAX_CHECK(act(vm_id, core::Action::start, options));
  return Ok{};
}

// Sets `unchanged` if the VM is as requested already and no job is needed.
Result<BegunJob> Orchestrator::begin(const std::string& vm_id, core::Action action, const ActOptions& options,
                                     VmPtr& unchanged) {
  for (int attempt = 0;; ++attempt) {
    const VmPtr vm = store_.vm(vm_id);
    if (!vm) return no_such_vm(vm_id);
    QARAX_TRY(Decision decision, decide(*vm, action, options, store_, nodes_, &promises_));
    if (decision.kind == Decision::Kind::job) {
      // To a node 0 means its own default, of 30 s.
      if (action == core::Action::stop) decision.job.timeout_ms = std::max<std::int64_t>(stop_timeout_ms_, 1);
      auto begun = store_.begin_job(decision.job);
      if (!begun && lost_race(begun.error()) && attempt < kAttempts) continue;
      return begun;
    }
    // No node is needed, but the desired state may have to change, e.g. after a crash or a guest's power-off.
    auto meant = decision.kind == Decision::Kind::no_change
                     ? store_.set_desired(vm_id, action)
                     : store_.resize_idle(vm_id, options.arguments.resize, vm->revision, options.expected_version);
    if (!meant && lost_race(meant.error()) && attempt < kAttempts) continue;
    QARAX_TRY(unchanged, std::move(meant));
    core::logger("jobs")->info("{} needed nothing of the node vm={} request={}", core::to_string(action), vm_id,
                               options.request_id);
    return BegunJob{};
  }
}

Result<VmPtr> Orchestrator::act(const std::string& vm_id, core::Action action, const ActOptions& options) {
  if (is_closed()) return make_error(Code::unavailable, "the server is ending; ask again in a moment", "shutting-down");
  QARAX_TRY(const JobPtr claimed, store_.claimed_job());
  if (claimed) return outcome_of(*claimed, options);
  VmPtr unchanged;
  QARAX_TRY(const BegunJob begun, begin(vm_id, action, options, unchanged));
  if (unchanged) return unchanged;
  const auto waiter = waiters_.add(begun.job.id, vm_id);
  if (!begun.superseded.empty()) dispatcher_.put_aside(begun.superseded, action);
  dispatcher_.send(begun.job);
  if (options.respond_async) return begun.vm;
  auto outcome = waiters_.wait(begun.job.id, waiter, options.wait_ms);
  if (!outcome)
    return with_job(make_error(Code::deadline_exceeded,
                               "the " + std::string(core::to_string(begun.job.action)) + " of VM " + begun.vm->name +
                                   " is still going on after " + std::to_string(options.wait_ms / 1000) +
                                   " s; GET the VM to see its end",
                               "deadline-exceeded"),
                    begun.job.id);
  if (outcome->error) return std::move(*outcome->error);
  return outcome->vm;
}

Result<std::string> Orchestrator::remove(const std::string& vm_id, bool forget, const ActOptions& options) {
  for (int attempt = 0;; ++attempt) {
    const VmPtr vm = store_.vm(vm_id);
    if (!vm) return no_such_vm(vm_id);
    QARAX_TRY(const std::optional<Removal> alone, decide_removal(*vm, forget, options, store_, nodes_));
    if (!alone) {
      QARAX_TRY(const VmPtr begun, act(vm_id, core::Action::remove, options));
      return begun ? begun->job_id : std::string();
    }
    // A start may have come in between; then there is a node to tell, so decide again.
    auto removed = store_.remove_vm(vm_id, *alone, options.expected_version);
    if (!removed && lost_race(removed.error()) && attempt < kAttempts) continue;
    if (!removed) return removed;
    waiters_.finish_all_of(vm_id, {nullptr, std::nullopt});
    if (vm->host_id) undertaker_.bury_all(*vm->host_id);
    return removed;
  }
}

Result<HostPtr> Orchestrator::add_host(const NewHostInput& input) {
  QARAX_TRY(const JobPtr claimed, store_.claimed_job());
  if (claimed) {
    const HostPtr made = store_.host(claimed->host_id);
    if (!made) return make_error(Code::not_found, "host " + claimed->host_id + " is gone", "host-not-found");
    return made;
  }
  QARAX_TRY(HostPtr host, store_.add_host(input));
  nodes_.start(host);
  return host;
}

Result<HostPtr> Orchestrator::init_host(const std::string& host_id, std::int64_t timeout_ms) {
  const HostPtr host = store_.host(host_id);
  if (!host) return no_such_host(host_id);
  nodes_.start(host);
  const auto link = nodes_.link(host_id);
  if (!link && !store_.host(host_id))
    return make_error(Code::not_found, "host " + host_id + " was removed meanwhile", "host-not-found");
  if (!link) return make_error(Code::unavailable, "the server is ending", "shutting-down");
  QARAX_CHECK(link->connect_now(timeout_ms));
  return store_.host(host_id);
}

}  // namespace qarax::server
