// Things on the host that this agent, or an earlier one, has made and that no VM owns any more. They are found by
// searching the host, not by records alone, and removed only on request.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cgroup.hpp"
#include "qarax/core/documents.hpp"
#include "vm_processes.hpp"

namespace qarax::agent {

class Leftovers {
 public:
  // `data_dir`: the agent's; `cgroups` and `processes` are borrowed. Thread-safe, except that only one collect() may
  // run at a time.
  Leftovers(std::string data_dir, const Cgroups& cgroups, const VmProcesses& processes)
      : data_dir_(std::move(data_dir)), cgroups_(cgroups), processes_(processes) {}

  // Call this when a VM is deleted, before its folder and ledger are removed: records what it owns outside the folder
  // and is still there. An error, e.g. of a full disk: it isn't recorded, so the ledger must stay until a later call
  // succeeds. A ledger that can't be read at all is only logged, as its VM could never be deleted otherwise.
  Status disown(const std::string& vm) const;

  // `is_owned` is asked for the VM of each thing, or for the node whose VMs' folders it is, after all were found, so a
  // VM that was made meanwhile is known by then.
  using IsOwned = std::function<bool(const std::string& id)>;
  std::vector<core::Leftover> find(const IsOwned& is_owned) const;
  // Like find(), but removes what it finds; each entry says whether it is gone, or why it isn't.
  std::vector<core::Leftover> collect(const IsOwned& is_owned) const;

 private:
  struct Thing {
    core::Leftover shown;
    std::optional<VmProcesses::Found> process;  // if it is one
  };

  std::string vms_dir() const { return data_dir_ + "/vms"; }
  std::string disowned_file() const { return data_dir_ + "/disowned"; }
  std::vector<Thing> search(const IsOwned& is_owned) const;
  void find_cgroups(std::vector<core::Leftover>& out) const;
  void find_folders(std::vector<core::Leftover>& out) const;
  void find_disowned(std::vector<core::Leftover>& out) const;
  Result<std::set<std::pair<std::string, std::string>>> claims() const;  // (kind, name)
  Status check_unclaimed(const core::Leftover& what) const;
  Status remove(const Thing& thing) const;

  const std::string data_dir_;
  const Cgroups& cgroups_;
  const VmProcesses& processes_;
};

}  // namespace qarax::agent
