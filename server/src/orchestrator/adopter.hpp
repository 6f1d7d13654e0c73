// Taking VMs over from a node that knows them better than this server: the whole host after a lost or restored
// database, single VMs that only the node knows. Nothing of it happens by itself.
#pragma once

#include <string>
#include <vector>

#include "api/adopt.hpp"
#include "fleet.hpp"
#include "store.hpp"

namespace qarax::server {

class Adopter {
 public:
  // Borrows both.
  Adopter(Store& store, Fleet& nodes) : store_(store), nodes_(nodes) {}

  // What adopting the host would do; changes nothing. UNAVAILABLE "node-unreachable".
  Result<api::AdoptPlan> plan(const std::string& host_id);
  // Carries out the plan of that token, and waits `wait_ms` for the host to be up. ABORTED "plan-changed": the plan is
  // another one by now, and nothing was done. `job`: the id of its job, once it is recorded.
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& token, std::int64_t wait_ms,
                               std::string& job);

  // VMs that the host's node has and the server doesn't know.
  Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id);
  // One of them becomes the server's, as it is. NOT_FOUND "vm-not-found", FAILED_PRECONDITION "wrong-state" where it
  // can't be defined from what the node keeps. `only_check`: nothing is changed, and what it would be is answered.
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check = false);
  // Whether one of them can be removed: the revision with which its node is to be told.
  Result<std::int64_t> revision_to_remove(const std::string& host_id, const std::string& vm_id);
  // One of them is ended and deleted on its node. Asked for again with the same revision, it is the same command.
  Status remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t revision,
                   std::int64_t timeout_ms);

  // The host's node has greeted this server as the one it obeys, and nothing proves another one.
  bool is_obeyed(const std::string& host_id) const;

  // What no VM of the host's node owns; with `collect` the node removes it.
  Result<std::vector<core::Leftover>> leftovers(const std::string& host_id, bool collect);

 private:
  struct Draft;
  Result<Draft> draft(const std::string& host_id);
  void judge(Draft& draft, const core::KeptVm& kept);
  VmRecord record_of(const Draft& draft, const core::KeptVm& kept, const VmPtr& before) const;
  std::string note_of(const core::KeptVm& kept, const VmPtr& before, const VmRecord& after) const;
  std::string free_name(const Draft& draft, const std::string& name, const std::string& id) const;
  Result<core::KeptVm> find_unmanaged(const Draft& draft, const std::string& vm_id) const;
  Result<core::KeptVm> find_removable(const Draft& draft, const std::string& vm_id) const;
  Result<std::shared_ptr<NodeAccess>> link_of(const std::string& host_id) const;

  Store& store_;
  Fleet& nodes_;
};

}  // namespace qarax::server
