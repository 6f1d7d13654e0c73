#include "chores.hpp"

#include <chrono>

#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::server {

namespace {

constexpr auto kTick = std::chrono::milliseconds(500);
constexpr int kTicksToTidy = 120;

}  // namespace

Chores::Chores(Store& store, Fleet& nodes, Dispatcher& dispatcher, Undertaker& undertaker, Restarter& restarter,
               core::WorkerPool& pool, const Retention& retention)
    : store_(store),
      nodes_(nodes),
      dispatcher_(dispatcher),
      undertaker_(undertaker),
      restarter_(restarter),
      pool_(pool),
      retention_(retention),
      keeper_(store, nodes) {}

void Chores::start() {
  thread_ = std::thread([this] { ticks(); });
}

void Chores::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Each piece has a guard of its own: where one throws at every tick, the others are still done.
void Chores::tick() {
  core::guarded("chores", [&] { nodes_.check_heartbeats(); });
  for (const JobRecord& job : store_.unfinished_jobs()) core::guarded("chores", [&] { dispatcher_.look_after(job); });
  for (const HostPtr& host : store_.hosts()) core::guarded("chores", [&] { undertaker_.bury_all(host->id); });
  core::guarded("chores", [&] {
    if (store_.read_only().empty()) keeper_.look();
  });
}

// If the database doesn't answer now, the next attempt comes a minute later.
void Chores::tidy() {
  const Status done = store_.prune(retention_);
  core::logger("store")->debug("tidied up reason={}", core::log_value(done ? "" : done.error().message));
}

// This work runs on the pool, because it waits for the database, and while a commit's outcome is unknown for as long as
// the database is away. The thread of tick(), which checks heartbeats, must not wait that long. If the previous run
// hasn't ended, this one is skipped until the next tick.
void Chores::post_slow_work() {
  if (slow_work_runs_.exchange(true)) return;
  const bool posted = core::guarded("chores", [&] {
    pool_.post([this] {
      struct Done {
        ~Done() { doing = false; }
        std::atomic<bool>& doing;
      } const done{slow_work_runs_};
      restarter_.look();
      if (to_tidy_.exchange(false)) tidy();
    });
  });
  if (!posted) slow_work_runs_ = false;
}

void Chores::ticks() {
  core::name_this_thread("chores");
  std::unique_lock lock(mutex_);
  for (int count = 1; !stopping_; ++count) {
    wake_.wait_for(lock, kTick, [&] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    core::guarded("chores", [&] { tick(); });
    if (count % kTicksToTidy == 1) to_tidy_ = true;  // at the first tick too, for servers that never run for long
    core::guarded("chores", [&] { post_slow_work(); });
    lock.lock();
  }
}

}  // namespace qarax::server
