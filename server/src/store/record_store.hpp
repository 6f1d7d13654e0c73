// Changes of the records of VMs and hosts that are complete with their transaction. Part of Store, whose contract holds
// here too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adoption.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/result.hpp"
#include "records.hpp"

namespace qarax::server {

struct NewVmInput {
  std::string name;
  std::optional<std::string> description;
  std::string hypervisor;  // empty: the node's default, at the first start
  std::optional<std::string> boot_source_id;
  VmSpec spec;
  Restart restart{};
  std::vector<std::string> tags{};
  bool only_check = false;  // writes nothing; returns what the record would be
};

struct NewHostInput {
  std::string name;
  std::string address;
  std::int64_t port = 0;
  std::string host_user;
  bool only_check = false;  // as in NewVmInput
};

// An edit of the user's part of an object. `change` runs in the transaction, under the store's lock: it must be short,
// and if it returns an Error nothing changes. If the record's version isn't `expected_version`: ABORTED
// "precondition-failed".
struct EditVm {
  std::string vm_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(VmRecord&)> change;
  bool only_check = false;  // writes nothing; returns what the record would be
};
struct EditHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version;
  std::function<Status(HostRecord&)> change;
  bool only_check = false;
};

enum class Removal {
  never_placed,    // no node knows the VM
  with_tombstone,  // the node must delete it when it comes back
  by_job,          // the node has deleted it
  with_host,       // its host is removed too
};

// Removes a host's record.
struct RemoveHost {
  std::string host_id;
  std::optional<std::uint64_t> expected_version{};
  bool with_vms = false;  // also removes the records of its VMs: the host never comes back
  bool only_check = false;
};

class RecordStore {
 public:
  virtual ~RecordStore() = default;

  // -- VMs --
  // ALREADY_EXISTS "name-taken". INVALID_ARGUMENT: the description contains a NUL.
  virtual Result<VmPtr> create_vm(const NewVmInput& input) = 0;
  // Removes the record and ends its jobs. Its reservation goes with it, or with its tombstone. ABORTED "changed": a VM
  // that was never placed has a host by now; "precondition-failed": it has another version. Returns the id of the job
  // that the removal was; empty: there was no such VM.
  virtual Result<std::string> remove_vm(const std::string& id, Removal how,
                                        std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  // Takes name, description, tags, the restart's policy and limit, hypervisor, spec, resolved, boot_source_id and
  // revision from the changed record. NOT_FOUND; ALREADY_EXISTS "name-taken"; the errors of EditVm::change.
  virtual Result<VmPtr> edit_vm(const EditVm& edit) = 0;
  // Records the desired state of `action` for a VM that is in that state already. If this differs from the desired
  // state so far, it is recorded as a job that completes at once. ABORTED "changed": the VM isn't in that state any
  // more, or another job is under way by now. NOT_FOUND.
  virtual Result<VmPtr> set_desired(const std::string& id, core::Action action) = 0;
  // Changes the size of a VM that doesn't run, for its next start. ABORTED "changed", "job-in-progress";
  // "precondition-failed": it has another version.
  virtual Result<VmPtr> resize_idle(const std::string& id, const core::ResizeCommand& size,
                                    std::int64_t expected_revision,
                                    std::optional<std::uint64_t> expected_version = std::nullopt) = 0;
  // The restarts of this incarnation's VM count no more. Written soon.
  virtual void forget_restarts(const std::string& vm_id, std::int64_t incarnation) = 0;
  virtual Status drop_tombstone(const std::string& vm_id) = 0;
  // The VM's tombstone gets at least that revision. Does nothing if there is none.
  virtual Status raise_tombstone(const std::string& vm_id, std::int64_t revision) = 0;

  // -- hosts --
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // ALREADY_EXISTS "name-taken"
  // Takes name, address, port and host_user from the changed record. Errors as for edit_vm(). A host that has a proof
  // or is awaited can be edited even while changes are refused: it may have moved.
  virtual Result<HostPtr> edit_host(const EditHost& edit) = 0;
  // Removes the host and its tombstones. FAILED_PRECONDITION "host-in-use" while it has VMs in whatever state, unless
  // `with_vms` is set and the host isn't up. A host whose node proved that the database was set back, or is still
  // awaited, can be removed even while changes are refused: its proof goes with it, and if it was the last one, changes
  // are possible again, under a new activation and a new epoch of events.
  virtual Status remove_host(const RemoveHost& asked) = 0;
  // Adopts in one transaction, also while changes are refused; returns the id of its job. ABORTED "plan-changed";
  // NOT_FOUND "host-not-found": the host was removed meanwhile.
  virtual Result<std::string> adopt(const Adoption& adoption) = 0;
};

}  // namespace qarax::server
