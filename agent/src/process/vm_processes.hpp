// A VM's processes as /proc shows them, whatever the records say: its supervisors, by their program and their VM's
// folder, and everything that bears its mark. For VMs without a record, or with a wrong one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cgroup.hpp"
#include "qarax/core/files.hpp"

namespace qarax::agent {

// Environment variable of every process that is started for a VM. It holds the VM's folder, which tells whose the
// process is when all records are gone.
inline constexpr const char* kVmMark = "QARAX_VM";

class VmProcesses {
 public:
  struct Found {
    int pid = 0;
    std::string vm;
    bool supervisor = false;  // false: a process with the VM's mark, and no supervisor of the VM is there
  };
  // `vms_dir`: the folder of this agent's VMs; those of another agent aren't found. `cgroups` is borrowed. `leave_ms`:
  // limit from a process's end until its cgroup is empty. Thread-safe.
  VmProcesses(std::string vms_dir, const Cgroups& cgroups, std::int64_t leave_ms = 200)
      : vms_dir_(std::move(vms_dir)), cgroups_(cgroups), leave_ms_(leave_ms) {}

  // The supervisors of all VMs, and the processes of VMs without one. What is under a supervisor ends with it.
  std::vector<Found> find() const;
  bool has(const std::string& vm) const;
  // Ends a process that was found, and what is under it; OK if it is gone, or another process has its pid by now.
  Status end(const Found& what) const;
  // Ends what is in a VM's cgroup and removes the cgroup. INTERNAL: processes that aren't a VMM's are in it.
  Status remove_cgroup(const std::string& vm) const;
  // Ends the processes of one VM and removes its cgroup. For a VM that is to be ended and has no record of its
  // processes.
  Status end_all_of(const std::string& vm) const;

  static bool is_supervisor(int pid);
  // RESOURCE_EXHAUSTED: no descriptors are free, so a search would wrongly find nothing.
  static Status can_look();
  // Ends the supervisor and everything under it, which would run on otherwise. `held`: its pidfd, which must have been
  // opened before the caller checked what that process is.
  static Status end_supervisor(const core::Fd& held, int pid);

 private:
  const std::string vms_dir_;
  const Cgroups& cgroups_;
  const std::int64_t leave_ms_;
};

}  // namespace qarax::agent
