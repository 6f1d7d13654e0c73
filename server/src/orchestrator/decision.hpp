// What is asked of a VM, and what that comes to: decided in one place for who does it and for who only wants to know.
// It reads and changes nothing; between the decision and the store's transaction others may change the VM, which the
// store then refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fleet.hpp"
#include "placing.hpp"
#include "qarax/core/lifecycle.hpp"
#include "store.hpp"

namespace qarax::server {

struct ActOptions {
  std::string request_id;
  std::int64_t wait_ms = 60'000;  // then DEADLINE_EXCEEDED "deadline-exceeded" with "/job_id" in details
  bool respond_async = false;     // don't wait at all
  JobArguments arguments{};       // of resize, snapshot, restore, drop_snapshot
  Origin origin = Origin::user;
  bool was_calm = false;                            // as BeginJob
  std::optional<std::uint64_t> expected_version{};  // of the VM, else ABORTED "precondition-failed"
};

struct Decision {
  enum class Kind {
    no_change,    // it is as asked for already; that it is meant to be may be news
    resize_idle,  // no node has to hear of it
    job,
  };
  Kind kind = Kind::job;
  BeginJob job{};            // of a job: what the store is to record
  Promises::Kept promise{};  // of a start: until it is recorded
};

// Of everything but a delete of a VM whose node can't be asked, see decide_removal(). Errors: those of
// Orchestrator::act before anything is recorded.
// `promises`: those of the starts that will come of it; null: none does.
Result<Decision> decide(const VmRecord& vm, core::Action action, const ActOptions& options, const Store& store,
                        const Fleet& nodes, Promises* promises);

// nullopt: by a job at its node. UNAVAILABLE "node-unreachable" where its node can't be asked and it isn't to be
// forgotten; ABORTED "precondition-failed".
Result<std::optional<Removal>> decide_removal(const VmRecord& vm, bool forget, const ActOptions& options,
                                              const Store& store, const Fleet& nodes);

inline constexpr int kAttempts = 16;  // against other changes of the same VM
// The store refused what was decided because something changed meanwhile: whoever decided looks again.
bool lost_race(const Error& error);

}  // namespace qarax::server
