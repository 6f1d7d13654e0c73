// Where VMMs are put: a version 2 hierarchy, alone or as the unified part of a hybrid, or nowhere.
#pragma once

#include <string>
#include <vector>

#include "call_limits.hpp"

namespace qarax::agent {

class Cgroups {
 public:
  // Chosen by evidence: a folder is made and removed in the hierarchy. `subtree`: the agent's own name there.
  // `proc`: where the kernel tells of this process.
  static Cgroups detect(const std::string& subtree, const std::string& proc = "/proc/self");
  static Cgroups none() { return Cgroups({}); }

  bool available() const { return !root_.empty(); }
  // The VM's folder; the supervisor makes it with the leaves vmm and sup. Empty where there are no cgroups.
  std::string folder(const std::string& vm) const;
  // SIGKILL to all in the VMM's leaf, also what it forked. False where that can't be said (no cgroup, an old kernel).
  bool kill_all(const std::string& vm) const;
  // At the agent's end: the subtree goes where no VM is left in it.
  void leave() const;
  bool populated(const std::string& vm) const;  // a process is left in DIR/vmm
  // The names of all folders in the subtree: VMs', and those that an agent tried the hierarchy with.
  std::vector<std::string> folders() const;
  // Removes what is empty; true when nothing is left.
  bool remove(const std::string& vm) const;

 private:
  explicit Cgroups(std::string root) : root_(std::move(root)) {}
  std::string root_;
};

// Kills what is in the VMM's leaf until nothing is; a minute at most. DEADLINE_EXCEEDED: something can't be killed.
// CANCELLED. RESOURCE_EXHAUSTED: without a free descriptor it isn't known who is left.
Status empty_cgroup(const Cgroups& cgroups, const std::string& vm, const CallLimits& limits);

}  // namespace qarax::agent
