// What is done without being asked for: what a node that comes back has missed, restarts by policy, jobs that nobody
// decided, and what is removed in time.
#include <chrono>

#include "orchestrator.hpp"
#include "placing.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

constexpr auto kTick = std::chrono::milliseconds(500);
constexpr int kTicksToTidy = 120;

}  // namespace

void Orchestrator::enforce_tombstones(const std::string& host_id) {
  const auto link = nodes_.link(host_id);
  if (!link || !link->is_up() || !store_.read_only().empty()) return;
  for (const auto& [vm_id, revision] : store_.tombstones(host_id)) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || !burying_.insert(vm_id).second) continue;
    }
    NodeCommand command{.action = core::Action::remove, .vm = vm_id, .revision = revision};
    link->execute(std::move(command), options_.action_timeout_ms, [this, vm = vm_id](const CommandOutcome& outcome) {
      const bool gone = outcome.decided && !outcome.error;
      pool_.post([this, vm, gone] {
        core::guarded("orchestrator", [&] {
          if (gone) static_cast<void>(store_.drop_tombstone(vm));
        });
        const std::lock_guard lock(mutex_);
        burying_.erase(vm);
      });
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

void Orchestrator::restart_what_ended() {
  if (closed_ || !store_.read_only().empty()) return;
  for (const auto& [vm, was_calm] : restarts_.due(store_.vms(), plugin::monotonic_ns())) {
    if (!is_reachable(*vm, nodes_)) continue;
    ActOptions options;
    options.respond_async = true;
    options.origin = Origin::policy;
    options.was_calm = was_calm;
    core::logger("jobs")->info("restarted by its policy vm={} reason={}", vm->id,
                               core::log_value(vm->observed.status.status_reason));
    if (const auto begun = act(vm->id, core::Action::start, options); !begun)
      core::logger("jobs")->warn("a restart isn't possible now vm={} reason={}", vm->id,
                                 core::log_value(begun.error().message));
  }
}

// What a lost reply or a node's refusal left open is asked for again, and nobody waits for a node that is gone.
void Orchestrator::tick() {
  nodes_.check_heartbeats();
  for (const JobRecord& job : store_.unfinished_jobs()) {
    const VmPtr vm = store_.vm(job.vm_id);
    if (!vm) continue;
    if (is_reachable(*vm, nodes_)) {
      send(job);
      if (const JobPtr told = store_.job_book().find(job.id); told && told->cancelling) cancel_at_node(job.id);
      continue;
    }
    bool in_flight = false;
    {
      const std::lock_guard lock(mutex_);
      in_flight = in_flight_.contains(job.id);
    }
    if (!in_flight && waiters_.waits(job.id)) waiters_.finish(job.id, {vm, with_job(unreachable(*vm), job.id)});
  }
  for (const HostPtr& host : store_.hosts()) enforce_tombstones(host->id);
  if (store_.read_only().empty()) keeper_.look();
}

// A database that doesn't answer now is tidied up a minute later.
void Orchestrator::tidy() {
  const Status done = store_.prune(options_.retention);
  core::logger("store")->debug("tidied up reason={}", core::log_value(done ? "" : done.error().message));
}

// What waits for the database, and with a commit whose fate isn't known for as long as that is away: no work of the
// thread that sees whether nodes are heard. Whoever is late is waited for; the next tick asks again.
void Orchestrator::do_chores() {
  if (doing_chores_.exchange(true)) return;
  pool_.post([this] {
    struct Done {
      ~Done() { doing = false; }
      std::atomic<bool>& doing;
    } const done{doing_chores_};
    restart_what_ended();
    if (to_tidy_.exchange(false)) tidy();
  });
}

void Orchestrator::ticks() {
  core::name_this_thread("chores");
  std::unique_lock lock(tick_mutex_);
  for (int count = 1; !stopping_; ++count) {
    tick_.wait_for(lock, kTick, [&] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    core::guarded("chores", [&] { tick(); });
    if (count % kTicksToTidy == 1) to_tidy_ = true;  // also of a server that never runs for long
    core::guarded("chores", [&] { do_chores(); });
    lock.lock();
  }
}

}  // namespace qarax::server
