// Users' edits of existing VMs and hosts. No edit reaches a VMM before the next start, so there is nothing to wait for:
// each is recorded as a job that completes at once (`edit`, `edit-host`).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet.hpp"
#include "store.hpp"

namespace qarax::server {

// A JSON merge patch; `expected_version` is the version of the object that it was made for, if the client named one.
struct Edit {
  std::string id;
  std::string patch;
  std::optional<std::uint64_t> expected_version;
  bool only_check = false;  // changes nothing; returns what the record would be
};

// Thread-safe.
class Editor {
 public:
  // Borrows store and nodes. `known_hypervisors` is compat.hypervisor_names.
  Editor(Store& store, Fleet& nodes, std::vector<std::string> known_hypervisors = {})
      : store_(store), nodes_(nodes), known_(std::move(known_hypervisors)) {}

  // Name, description, restart policy and tags can change at any time. Everything else only while no VMM runs and no
  // job is under way, else FAILED_PRECONDITION "wrong-state" or ABORTED "job-in-progress", with one detail for each
  // member. The hypervisor only before the first start; the name that is shown in place of the true one changes
  // nothing. Further errors: those of the request's body, of create and of Store::edit_vm.
  Result<VmPtr> edit_vm(const Edit& edit);
  // With another address or port, the node there must be the one that the host is pinned to; the host's VMs are unknown
  // until that node has answered.
  Result<HostPtr> edit_host(const Edit& edit);
  // As Store::remove_host. If that began another activation, every node is greeted again.
  Status remove_host(const RemoveHost& asked);

 private:
  void reconnect(const HostRecord& host);

  Store& store_;
  Fleet& nodes_;
  const std::vector<std::string> known_;
  std::mutex moving_;
};

}  // namespace qarax::server
