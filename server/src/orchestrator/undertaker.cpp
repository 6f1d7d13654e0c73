#include "undertaker.hpp"

#include <algorithm>
#include <utility>

#include "placing.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/scope.hpp"
#include "qarax/core/threads.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::server {

namespace {

// Whether the node no longer has the VM. If another delete had a higher revision than the tombstone, the node answers
// that this revision is stale and that it has no folder for the VM.
bool is_gone(const CommandOutcome& outcome) {
  if (!outcome.report) return false;
  const bool is_late = outcome.error && outcome.error->reason == "stale-revision";
  return outcome.report->deleted || (is_late && outcome.report->missing);
}

}  // namespace

Undertaker::Undertaker(Store& store, const Fleet& nodes, core::WorkerPool& pool, Burials::Options options,
                       std::int64_t timeout_ms, std::stop_token closing)
    : store_(store),
      nodes_(nodes),
      pool_(pool),
      timeout_ms_(timeout_ms),
      closing_(std::move(closing)),
      burials_(options) {}

void Undertaker::bury_all(const std::string& host_id) {
  const auto link = nodes_.link(host_id);
  if (!link || !link->is_up() || !store_.read_only().empty()) return;
  for (const Tombstone& stone : store_.tombstones(host_id)) core::guarded("orchestrator", [&] { bury(*link, stone); });
}

void Undertaker::bury(NodeAccess& node, const Tombstone& stone) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_.stop_requested() || !burials_.begin(stone.vm_id, plugin::monotonic_ns())) return;
  }
  // An exception before the call is made must not leave the burial under way: the delete would never be sent again.
  core::Scope unclaim([&] { lost(stone.vm_id); });
  NodeCommand command{.action = core::Action::remove, .vm = stone.vm_id, .revision = stone.revision};
  node.execute(std::move(command), timeout_ms_, [this, stone](CommandOutcome outcome) {
    const bool posted = core::guarded(
        "orchestrator", [&] { pool_.post([this, stone, outcome = std::move(outcome)] { heard_of(stone, outcome); }); });
    if (!posted) lost(stone.vm_id);
  });
  unclaim.dismiss();
}

void Undertaker::lost(const std::string& vm_id) {
  const std::lock_guard lock(mutex_);
  burials_.lost(vm_id, plugin::monotonic_ns());
}

void Undertaker::heard_of(const Tombstone& stone, const CommandOutcome& outcome) {
  core::Scope untold([&] { lost(stone.vm_id); });
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

}  // namespace qarax::server
