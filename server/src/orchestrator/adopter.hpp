// Takes VMs over from a node that knows them better than this server does: all VMs of a host after the database was
// lost or restored, or single VMs that only the node knows. Only on request, never by itself.
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
  // Carries out the plan with that token, then waits up to `wait_ms` for the host to be up. ABORTED "plan-changed": the
  // plan is another one by now, and nothing was done. `job`: receives the id of the adopt's job once it is recorded.
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& token, std::int64_t wait_ms,
                               std::string& job);

  // VMs that the host's node has and the server doesn't know.
  Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id);
  // Adopts one of them as it is. NOT_FOUND "vm-not-found", FAILED_PRECONDITION "wrong-state": what the node keeps isn't
  // enough to define the VM. `only_check`: changes nothing and returns what the record would be.
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check = false);
  // Checks that one of them can be removed; returns the revision for the node's command.
  Result<std::int64_t> revision_to_remove(const std::string& host_id, const std::string& vm_id);
  // Ends one of them and deletes it on its node. A repeated call with the same revision is the same command.
  Status remove_vm(const std::string& host_id, const std::string& vm_id, std::int64_t revision,
                   std::int64_t timeout_ms);

  // Whether the host's node obeys this server by its last greeting, and nothing proves that it obeys another one.
  bool is_obeyed(const std::string& host_id) const;

  // Lists what no VM of the host's node owns; with `collect` the node removes it.
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
  void catch_up(const Draft& draft, const std::string& vm_id, std::int64_t timeout_ms);
  Result<std::shared_ptr<NodeAccess>> link_of(const std::string& host_id) const;

  Store& store_;
  Fleet& nodes_;
};

}  // namespace qarax::server
