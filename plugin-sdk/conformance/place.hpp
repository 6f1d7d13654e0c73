// Where one rule is tried: a folder laid out like an agent's data folder, a cgroup subtree and the ids of the VMs.
#pragma once

#include <string>
#include <vector>

#include "cgroup.hpp"
#include "qarax/result.hpp"

namespace qarax::conformance {

constexpr int kVms = 3;

struct Place {
  std::string root;  // absolute
  agent::Cgroups cgroups = agent::Cgroups::none();
  std::vector<std::string> vm_ids;

  std::string vms() const { return root + "/vms"; }
  std::string state() const { return root + "/state"; }  // the plugin's state folder
  std::string tmp() const { return root + "/tmp"; }      // TMPDIR; nothing may be left in it
  std::string cwd() const { return root + "/cwd"; }      // the working folder; nothing may be left in it
  std::string empty_kernel() const { return root + "/kernel"; }
  std::string handle_file(const std::string& vm) const { return vms() + "/" + vm + "/handle.json"; }
};

Result<Place> make_place();
// Removes the place with everything in it. Only allowed when none of its processes runs any more.
void remove_place(const Place& place);

// What the rule's VMs have left, one phrase for each thing: processes below `root_pid`, cgroups, sockets in the run
// folders, existing things that the ledger claims, anything in TMPDIR and the working folder. Other files in a run
// folder don't count, as they are removed with it.
std::vector<std::string> leftovers(const Place& place, int root_pid);
std::string listed(const std::vector<std::string>& things);

// Live descendants of `pid`; zombies don't count.
std::vector<int> descendants(int pid);

}  // namespace qarax::conformance
