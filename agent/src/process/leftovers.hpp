// What this agent, or one before it, has made on the host and no VM owns any more: found by looking, never by memory
// alone. It is removed only when somebody asks for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cgroup.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/files.hpp"

namespace qarax::agent {

// In the environment of every process that is started for a VM: the VM's folder. Tells whose it is when all else is
// gone.
inline constexpr const char* kVmMark = "QARAX_VM";

class Leftovers {
 public:
  // `data_dir`: the agent's; borrows `cgroups`. Thread-safe where collect() isn't called twice at once.
  Leftovers(std::string data_dir, const Cgroups& cgroups) : data_dir_(std::move(data_dir)), cgroups_(cgroups) {}

  // At a VM's delete, before its folder and ledger go: what of it is still there and lies elsewhere is remembered.
  Status disown(const std::string& vm) const;

  // `is_owned` is asked of each thing's VM after all of them were found: a VM that is made meanwhile is known by then.
  using IsOwned = std::function<bool(const std::string& vm)>;
  std::vector<core::Leftover> find(const IsOwned& is_owned) const;
  // The same, and removes them; each says whether it is gone, or why it isn't.
  std::vector<core::Leftover> collect(const IsOwned& is_owned) const;
  // Ends the processes of one VM and removes its cgroup: of one that is to be ended, and of which no record is left.
  Status end_all_of(const std::string& vm) const;
  bool has_processes(const std::string& vm) const;
  static bool is_supervisor(int pid);
  // RESOURCE_EXHAUSTED: without free descriptors nothing would be found, and that believed.
  static Status can_look();
  // And all that is under it: else that would run on. `held`: its pidfd, opened before who it is was looked at.
  static Status end_supervisor(const core::Fd& held, int pid);

 private:
  std::string vms_dir() const { return data_dir_ + "/vms"; }
  std::string disowned_file() const { return data_dir_ + "/disowned"; }
  void find_processes(std::vector<core::Leftover>& out) const;
  void find_cgroups(std::vector<core::Leftover>& out) const;
  void find_folders(std::vector<core::Leftover>& out) const;
  void find_disowned(std::vector<core::Leftover>& out) const;
  Status remove(const core::Leftover& what) const;

  const std::string data_dir_;
  const Cgroups& cgroups_;
};

}  // namespace qarax::agent
