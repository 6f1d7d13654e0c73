// Where a VM would start now; for starts and for dry runs.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "fleet.hpp"
#include "qarax/core/scope.hpp"
#include "reads.hpp"
#include "scheduler.hpp"

namespace qarax::server {

// The input of place().
struct Choice {
  PlacementRequest request;
  std::vector<Candidate> candidates;
};

// Starts that have chosen their host but aren't recorded yet. They count when the next start looks for the host with
// the most room, so that not all of them choose the same one. Whether there is room is for the store to decide.
// Thread-safe.
class Promises {
 public:
  using Kept = core::Scope;  // the promise counts while this lives; must not outlive the Promises
  struct Promised {
    Placement placement;
    Kept kept;
  };
  // As place(), with the promised memory counted. `choice` reads what is reserved; it is called under the lock, so that
  // no promise ends between that and the choice. A start that is recorded meanwhile then counts as promised or as
  // reserved. `choice` must not call this object.
  Result<Promised> place(const std::function<Result<Choice>()>& choice);

 private:
  std::mutex mutex_;
  std::map<std::string, std::int64_t> bytes_;  // by host id
};

// `spec`: the VM's own or a snapshot's. UNAVAILABLE "node-unreachable": the VM was started before, on a host that
// doesn't answer.
Result<Choice> choice_for(const VmRecord& vm, const VmSpec& spec, const StoreReads& store, const Fleet& nodes);
// The choice for a dry run, which promises nothing; else place()'s errors.
Result<Placement> place_vm(const VmRecord& vm, const VmSpec& spec, const StoreReads& store, const Fleet& nodes);

// Whether the VM's host can be reached now.
bool is_reachable(const VmRecord& vm, const Fleet& nodes);
// The error for a VM whose host can't be reached, with the reason.
Error unreachable(const VmRecord& vm, const StoreReads& store);

// Turns a node's "there is no such VM" into FAILED_PRECONDITION "wrong-state": the server has the VM, and GET shows it.
Error not_at_its_node(Error said);
// The error of a delete that its node reported as done without saying that the VM is gone.
Error delete_not_confirmed();
// Turns the error of a query to a VM's node into the terms of the REST API.
Error answer_of_node(Error said, const VmRecord& vm, const StoreReads& store);

// The node's command for a start of the VM under that hypervisor.
core::StartCommand start_command(const VmRecord& vm, const std::string& hypervisor);

}  // namespace qarax::server
