// What users change of VMs and hosts that exist. Nothing of it reaches a VMM before the next start, so there is nothing
// to wait for: each is recorded as a job that is done at once (`edit`, `edit-host`).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "fleet.hpp"
#include "store.hpp"

namespace qarax::server {

// A JSON merge patch, and the version of the object that it was made for where the client named one.
struct Edit {
  std::string id;
  std::string patch;
  std::optional<std::uint64_t> expected_version;
  bool only_check = false;  // change nothing, answer what it would be
};

// Thread-safe.
class Editor {
 public:
  // Borrows both.
  Editor(Store& store, Fleet& nodes) : store_(store), nodes_(nodes) {}

  // Name, description, restart policy and tags at any time; everything else while no VMM runs and no job is under way,
  // else FAILED_PRECONDITION "wrong-state" or ABORTED "job-in-progress" with a detail a member. The hypervisor only
  // before the first start. Also the errors of a body, of create and of Store::edit_vm.
  Result<VmPtr> edit_vm(const Edit& edit);
  // Another address or port: the node there has to be the one that the host is pinned to; until it has answered its
  // VMs are unknown.
  Result<HostPtr> edit_host(const Edit& edit);
  // As Store::remove_host; every node is greeted again where that made another activation.
  Status remove_host(const RemoveHost& asked);

 private:
  void reconnect(const HostRecord& host);

  Store& store_;
  Fleet& nodes_;
  std::mutex moving_;
};

}  // namespace qarax::server
