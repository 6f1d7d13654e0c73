// Where one rule is tried: a folder as an agent's data folder is laid out, a cgroup subtree, the ids of its VMs.
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
  std::string state() const { return root + "/state"; }  // the plugin's own
  std::string tmp() const { return root + "/tmp"; }      // TMPDIR, where nothing may stay
  std::string cwd() const { return root + "/cwd"; }      // the working folder, likewise
  std::string empty_kernel() const { return root + "/kernel"; }
  std::string handle_file(const std::string& vm) const { return vms() + "/" + vm + "/handle.json"; }
};

Result<Place> make_place();
// With all that is left in it. Only when no process of it runs any more.
void remove_place(const Place& place);

// What the rule's VMs have left, a phrase each that names it: processes below `root_pid`, cgroups, sockets in the run
// folders, what the ledger claims and still exists, anything in TMPDIR and in the working folder. Other files in a run
// folder go with it.
std::vector<std::string> leftovers(const Place& place, int root_pid);
std::string listed(const std::vector<std::string>& things);

// Live processes that descend from `pid`, a zombie isn't one.
std::vector<int> descendants(int pid);

}  // namespace qarax::conformance
