// Where a VM would start now. Asked by a start, and by whoever only wants to know.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fleet.hpp"
#include "scheduler.hpp"
#include "store.hpp"

namespace qarax::server {

// Starts that have chosen their host and aren't recorded yet: the next one doesn't take the host with the most room for
// empty that all of them have taken. Whether there is room is the store's to say. Thread-safe.
class Promises {
 public:
  using Kept = std::shared_ptr<const void>;  // for as long as the choice counts; not longer than this
  struct Promised {
    Placement placement;
    Kept kept;
  };
  // place()'s choice and errors, with what is promised counted.
  Result<Promised> place(const PlacementRequest& request, std::vector<Candidate> candidates);

 private:
  std::mutex mutex_;
  std::map<std::string, std::int64_t> bytes_;  // by host
};

// What a choice is made of.
struct Choice {
  PlacementRequest request;
  std::vector<Candidate> candidates;
};
// With `spec`, its own or a snapshot's. UNAVAILABLE "node-unreachable" for a VM that was started before, on a host that
// doesn't answer.
Result<Choice> choice_for(const VmRecord& vm, const VmSpec& spec, const Store& store, const Fleet& nodes);
// The choice itself, where nothing comes of it; else place()'s errors.
Result<Placement> place_vm(const VmRecord& vm, const VmSpec& spec, const Store& store, const Fleet& nodes);

// Its host can be asked now.
bool is_reachable(const VmRecord& vm, const Fleet& nodes);
// It can't, and why.
Error unreachable(const VmRecord& vm, const Store& store);

// It isn't at its node; here it is, and GET shows it: FAILED_PRECONDITION "wrong-state".
Error not_at_its_node(Error said);
// What its node said, or didn't, to a question about it, in the words of the REST API.
Error answer_of_node(Error said, const VmRecord& vm, const Store& store);

// What its node gets for a start under that placement.
core::StartCommand start_command(const VmRecord& vm, const std::string& hypervisor);

}  // namespace qarax::server
