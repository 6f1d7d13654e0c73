// Decides what an action on a VM comes to, in one place for real requests and for dry runs. It reads and changes
// nothing. Others may change the VM between the decision and the store's transaction, which the store then refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fleet.hpp"
#include "job_store.hpp"
#include "placing.hpp"
#include "qarax/core/lifecycle.hpp"
#include "reads.hpp"
#include "record_store.hpp"

namespace qarax::server {

struct ActOptions {
  std::string request_id;
  std::int64_t wait_ms = 60'000;  // then DEADLINE_EXCEEDED "deadline-exceeded" with "/job_id" in details
  bool respond_async = false;     // don't wait at all
  JobArguments arguments{};       // for resize, snapshot, restore, drop_snapshot
  Origin origin = Origin::user;
  std::optional<std::uint64_t> expected_version{};  // of the VM; if another by now: ABORTED "precondition-failed"
};

struct Decision {
  enum class Kind {
    no_change,    // the VM is in that state already, but its desired state may have to change
    resize_idle,  // a resize that needs no node
    job,
  };
  Kind kind = Kind::job;
  BeginJob job{};            // for a job: what the store must record
  Promises::Kept promise{};  // for a start: keep it until the start is recorded
};

// Decides every action; for a delete of a VM whose node can't be reached call decide_removal() first. Errors: those
// that Orchestrator::act returns before anything is recorded. `promises`: where the chosen host of a start is promised;
// null: a dry run, which promises nothing.
Result<Decision> decide(const VmRecord& vm, core::Action action, const ActOptions& options, const StoreReads& store,
                        const Fleet& nodes, Promises* promises);

// How to remove a VM without its node; nullopt: by a job at its node. UNAVAILABLE "node-unreachable" if the node can't
// be reached and `forget` isn't set; ABORTED "precondition-failed".
Result<std::optional<Removal>> decide_removal(const VmRecord& vm, bool forget, const ActOptions& options,
                                              const StoreReads& store, const Fleet& nodes);

inline constexpr int kAttempts = 16;  // attempts, when others change the same VM meanwhile
// Whether the store refused the decision because something changed meanwhile; the caller then decides again.
bool lost_race(const Error& error);

}  // namespace qarax::server
