// Things on the host that this agent, or an earlier one, has made and that no VM owns any more. They are found by
// searching the host, not by records alone, and removed only on request.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cgroup.hpp"
#include "ledger.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/files.hpp"

namespace qarax::agent {

// Environment variable of every process that is started for a VM. It holds the VM's folder, which tells whose the
// process is when all records are gone.
inline constexpr const char* kVmMark = "QARAX_VM";

class Leftovers {
 public:
  // `data_dir`: the agent's; `cgroups` is borrowed. Thread-safe, except that only one collect() may run at a time.
  Leftovers(std::string data_dir, const Cgroups& cgroups) : data_dir_(std::move(data_dir)), cgroups_(cgroups) {}

  // Call this when a VM is deleted, before its folder and ledger are removed: records what it owns outside the folder
  // and is still there.
  Status disown(const std::string& vm) const;

  // `is_owned` is asked for the VM of each thing, or for the node whose VMs' folders it is, after all were found, so a
  // VM that was made meanwhile is known by then.
  using IsOwned = std::function<bool(const std::string& id)>;
  std::vector<core::Leftover> find(const IsOwned& is_owned) const;
  // Like find(), but removes what it finds; each entry says whether it is gone, or why it isn't.
  std::vector<core::Leftover> collect(const IsOwned& is_owned) const;
  // Ends the processes of one VM and removes its cgroup. For a VM that is to be ended and has no record of its
  // processes.
  Status end_all_of(const std::string& vm) const;
  bool has_processes(const std::string& vm) const;
  static bool is_supervisor(int pid);
  // RESOURCE_EXHAUSTED: no descriptors are free, so a search would wrongly find nothing.
  static Status can_look();
  // Ends the supervisor and everything under it, which would run on otherwise. `held`: its pidfd, which must have been
  // opened before the caller checked what that process is.
  static Status end_supervisor(const core::Fd& held, int pid);

 private:
  std::string vms_dir() const { return data_dir_ + "/vms"; }
  std::string disowned_file() const { return data_dir_ + "/disowned"; }
  void find_processes(std::vector<core::Leftover>& out) const;
  void find_cgroups(std::vector<core::Leftover>& out) const;
  void find_folders(std::vector<core::Leftover>& out) const;
  void find_disowned(std::vector<core::Leftover>& out) const;
  Result<std::set<std::pair<std::string, std::string>>> claims() const;  // (kind, name)
  Status check_unclaimed(const core::Leftover& what) const;
  Status remove(const core::Leftover& what) const;

  const std::string data_dir_;
  const Cgroups& cgroups_;
};

}  // namespace qarax::agent
