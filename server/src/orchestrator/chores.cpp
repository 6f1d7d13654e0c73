// Work that nobody requested: what a returning node has missed, restarts by policy, jobs without a result, and the
// removal of old data.
#include <algorithm>
#include <chrono>

#include "orchestrator.hpp"
#include "placing.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/scope.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

constexpr auto kTick = std::chrono::milliseconds(500);
constexpr int kTicksToTidy = 120;

// Whether the node no longer has the VM. If another delete had a higher revision than the tombstone, the node answers
// that this revision is stale and that it has no folder for the VM.
bool is_gone(const CommandOutcome& outcome) {
  if (!outcome.report) return false;
  const bool is_late = outcome.error && outcome.error->reason == "stale-revision";
  return outcome.report->deleted || (is_late && outcome.report->missing);
}

}  // namespace

void Orchestrator::enforce_tombstones(const std::string& host_id) {
  const auto link = nodes_.link(host_id);
  if (!link || !link->is_up() || !store_.read_only().empty()) return;
  for (const Tombstone& stone : store_.tombstones(host_id)) core::guarded("orchestrator", [&] { bury(*link, stone); });
}

void Orchestrator::bury(NodeAccess& node, const Tombstone& stone) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || !burials_.begin(stone.vm_id, plugin::monotonic_ns())) return;
  }
  // An exception before the call is made must not leave the burial under way: the delete would never be sent again.
  core::Scope unclaim([&] { burial_lost(stone.vm_id); });
  NodeCommand command{.action = core::Action::remove, .vm = stone.vm_id, .revision = stone.revision};
  node.execute(std::move(command), options_.action_timeout_ms, [this, stone](CommandOutcome outcome) {
    const bool posted = core::guarded(
        "orchestrator", [&] { pool_.post([this, stone, outcome = std::move(outcome)] { heard_of(stone, outcome); }); });
    if (!posted) burial_lost(stone.vm_id);
  });
  unclaim.dismiss();
}

void Orchestrator::burial_lost(const std::string& vm_id) {
  const std::lock_guard lock(mutex_);
  burials_.lost(vm_id, plugin::monotonic_ns());
}

void Orchestrator::heard_of(const Tombstone& stone, const CommandOutcome& outcome) {
  core::Scope untold([&] { burial_lost(stone.vm_id); });
  const bool gone = outcome.decided && is_gone(outcome);
  const std::string reason = outcome.error.value_or(delete_not_confirmed()).message;
  core::guarded("orchestrator", [&] {
    if (gone) static_cast<void>(store_.drop_tombstone(stone.vm_id));
    // Without a report the node refused the call and has judged no revision.
    if (gone || !outcome.decided || !outcome.report) return;
    // The node repeats its answer to a revision, so the next attempt needs a higher one. If that can't be stored now,
    // the repeated answer leads here again.
    static_cast<void>(store_.raise_tombstone(stone.vm_id, std::max(stone.revision, outcome.report->revision) + 1));
  });
  {
    const std::lock_guard lock(mutex_);
    if (gone) burials_.done(stone.vm_id);
    if (gone || !outcome.decided) return;
    untold.dismiss();
    if (!burials_.failed(stone.vm_id, reason, plugin::monotonic_ns())) return;
  }
  core::logger("jobs")->error(
      "a forgotten VM could not be deleted on its node, and is tried again vm={} host={} reason={}", stone.vm_id,
      stone.host_id, core::log_value(reason));
}

void Orchestrator::host_up(const std::string& host_id) {
  enforce_tombstones(host_id);
  for (const JobRecord& job : store_.unfinished_jobs()) {
    const VmPtr vm = store_.vm(job.vm_id);
    if (vm && vm->host_id == host_id) core::guarded("orchestrator", [&] { send(job); });
  }
}

void Orchestrator::restart_what_ended() {
  if (closed_ || !store_.read_only().empty()) return;
  const Restarts::Turn turn = restarts_.turn(store_.vms(), plugin::monotonic_ns());
  for (const VmPtr& vm : turn.calm) store_.forget_restarts(vm->id, vm->incarnation);
  for (const VmPtr& vm : turn.due) {
    if (!is_reachable(*vm, nodes_)) continue;
    ActOptions options;
    options.respond_async = true;
    options.origin = Origin::policy;
    core::logger("jobs")->info("restarted by its policy vm={} reason={}", vm->id,
                               core::log_value(vm->observed.status.status_reason));
    if (const auto begun = act(vm->id, core::Action::start, options); !begun)
      core::logger("jobs")->warn("a restart isn't possible now vm={} reason={}", vm->id,
                                 core::log_value(begun.error().message));
  }
}

// Sends a job again that a lost reply or a node's refusal left open, or answers callers that wait for an unreachable
// node.
void Orchestrator::look_after(const JobRecord& job) {
  const VmPtr vm = store_.vm(job.vm_id);
  if (!vm) return;
  if (is_reachable(*vm, nodes_)) {
    send(job);
    if (const JobPtr told = store_.job_book().find(job.id); told && told->cancelling) cancel_at_node(job.id);
    return;
  }
  bool in_flight = false;
  {
    const std::lock_guard lock(mutex_);
    in_flight = in_flight_.contains(job.id);
  }
  if (!in_flight && waiters_.waits(job.id)) waiters_.finish(job.id, {vm, with_job(unreachable(*vm), job.id)});
}

// Each piece has a guard of its own: where one throws at every tick, the others are still done.
void Orchestrator::tick() {
  core::guarded("chores", [&] { nodes_.check_heartbeats(); });
  for (const JobRecord& job : store_.unfinished_jobs()) core::guarded("chores", [&] { look_after(job); });
  for (const HostPtr& host : store_.hosts()) core::guarded("chores", [&] { enforce_tombstones(host->id); });
  core::guarded("chores", [&] {
    if (store_.read_only().empty()) keeper_.look();
  });
}

// If the database doesn't answer now, the next attempt comes a minute later.
void Orchestrator::tidy() {
  const Status done = store_.prune(options_.retention);
  core::logger("store")->debug("tidied up reason={}", core::log_value(done ? "" : done.error().message));
}

// Runs on the pool, because it waits for the database, and while a commit's outcome is unknown for as long as the
// database is away. The thread of tick(), which checks heartbeats, must not wait that long. If the previous run hasn't
// ended, this one is skipped until the next tick.
void Orchestrator::do_chores() {
  if (doing_chores_.exchange(true)) return;
  const bool posted = core::guarded("chores", [&] {
    pool_.post([this] {
      struct Done {
        ~Done() { doing = false; }
        std::atomic<bool>& doing;
      } const done{doing_chores_};
      restart_what_ended();
      if (to_tidy_.exchange(false)) tidy();
    });
  });
  if (!posted) doing_chores_ = false;
}

void Orchestrator::ticks() {
  core::name_this_thread("chores");
  std::unique_lock lock(tick_mutex_);
  for (int count = 1; !stopping_; ++count) {
    tick_.wait_for(lock, kTick, [&] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    core::guarded("chores", [&] { tick(); });
    if (count % kTicksToTidy == 1) to_tidy_ = true;  // at the first tick too, for servers that never run for long
    core::guarded("chores", [&] { do_chores(); });
    lock.lock();
  }
}

}  // namespace qarax::server
