// The cgroups that VMMs are put into: in a version 2 hierarchy, alone or as the unified part of a hybrid, or nowhere.
#pragma once

#include <string>
#include <vector>

#include "call_limits.hpp"

namespace qarax::agent {

class Cgroups {
 public:
  // Tries the hierarchy by making and removing a folder in it. `subtree`: the name of the agent's part of the
  // hierarchy. `proc`: the /proc folder of this process.
  static Cgroups detect(const std::string& subtree, const std::string& proc = "/proc/self");
  static Cgroups none() { return Cgroups({}); }

  bool available() const { return !root_.empty(); }
  // The VM's folder, in which the supervisor makes the leaves vmm and sup. Empty if there are no cgroups.
  std::string folder(const std::string& vm) const;
  // Sends SIGKILL to every process in the VMM's leaf, including what it forked. False: not possible (no cgroup, an old
  // kernel).
  bool kill_all(const std::string& vm) const;
  // At the agent's end: removes the subtree if no VM is left in it.
  void leave() const;
  bool populated(const std::string& vm) const;  // a process is left in the VMM's leaf
  // The names of all folders in the subtree: those of VMs, and those left by detect().
  std::vector<std::string> folders() const;
  // Removes the VM's leaves and folder where they are empty; true if nothing is left.
  bool remove(const std::string& vm) const;

 private:
  explicit Cgroups(std::string root) : root_(std::move(root)) {}
  std::string root_;
};

// Kills the processes in the VMM's leaf until none is left, for a minute at most. DEADLINE_EXCEEDED: one can't be
// killed. CANCELLED. RESOURCE_EXHAUSTED: no descriptor is free, so it isn't known whether a process is left.
Status empty_cgroup(const Cgroups& cgroups, const std::string& vm, const CallLimits& limits);

}  // namespace qarax::agent
