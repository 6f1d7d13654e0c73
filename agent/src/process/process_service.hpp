// qarax.host.process/1: every process that outlives a call is started here, under its VM's supervisor, in a cgroup and
// session of its own, recorded before it exists. Thread-safe; blocking calls end at their limits.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "call_limits.hpp"
#include "cgroup.hpp"
#include "exit_watch.hpp"
#include "leftovers.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

class ProcessService {
 public:
  struct Options {
    std::string supervisor;  // the program
    std::string vms_dir;     // <data>/vms
    std::int64_t console_log_max = 16LL << 20;
    std::int64_t record_ms = 5'000;  // from a supervisor's lock to its record, at the most
  };
  // Called from the exit watch's thread when a VM's supervisor has ended, and again at the end of a VMM that outlived
  // it; find() tells which. Must be quick.
  using ExitListener = std::function<void(const std::string& vm, std::int64_t incarnation)>;

  ProcessService(Options options, Cgroups cgroups, ExitListener on_exit);

  std::string vm_dir(const std::string& vm) const { return options_.vms_dir + "/" + vm; }
  std::string run_dir(const std::string& vm, std::int64_t incarnation) const {
    return vm_dir(vm) + "/run/" + std::to_string(incarnation);
  }

  Result<Process> spawn(const SpawnArgs& args, const std::vector<int>& fds, const CallLimits& limits);
  // NOT_FOUND: none was started for that incarnation. Waits for a supervisor that is just up to say what it started.
  // UNAVAILABLE: it hasn't said so yet. FAILED_PRECONDITION: it lives in another PID namespace, where nothing of it is
  // seen, or what is recorded isn't true of the VM's control group.
  Result<Process> find(const ProcessArgs& args);
  // A supervisor of any incarnation has its lock, wherever it lives: its VMM may run. What can't be asked may be so.
  bool is_supervised(const std::string& vm) const;
  Result<bool> supervised(const std::string& vm) const;  // or why that isn't known
  // Its cgroup has processes, or some bear its mark, whatever its records say.
  bool is_seen(const std::string& vm) const;
  Status signal(const SignalArgs& args);
  // FAILED_PRECONDITION: a process of another incarnation, or one that no record names, is there. Before a start
  // touches anything: it would undo itself by what ends the VM. Success for a process of that incarnation: a start
  // repeated.
  Status check_alone(const ProcessArgs& args);
  Status kill(const ProcessArgs& args, const CallLimits& limits);
  // Every incarnation that has left a run folder, with a record that names its processes or without: nothing of the VM
  // runs when it returns Ok.
  Status kill_all(const std::string& vm, const CallLimits& limits);
  Result<Process> wait(const ProcessArgs& args, const CallLimits& limits);
  Status claim(const ClaimArgs& args);
  Status release(const ClaimArgs& args);

  // After the agent's restart: reports the exit of a supervisor that an earlier agent started. False: it is gone
  // already.
  bool adopt(const std::string& vm, std::int64_t incarnation);
  // Its VMM runs on without one: nothing serves its console, and nobody will see its exit code.
  bool has_lost_supervisor(const std::string& vm, std::int64_t incarnation) const;
  bool has_lost_any() const;
  // Cuts the logs of those VMMs, as their supervisors did.
  void bound_lost_logs();
  // Files, sockets and cgroup of an incarnation that has ended; the console log and the records stay.
  void clean_up(const std::string& vm, std::int64_t incarnation);
  // At the agent's end: nothing of this agent's own stays; what VMs run on with does.
  void leave() const { cgroups_.leave(); }
  const Leftovers& leftovers() const { return leftovers_; }

 private:
  void watch(const std::string& vm, std::int64_t incarnation, const ProcessId& supervisor);
  static Error seen_nowhere(const std::string& vm, const std::string& run_dir);
  // FAILED_PRECONDITION: the VMM of another run lives. Not ALREADY_EXISTS, which plugins take for the one they want.
  Status no_other_incarnation(const ProcessArgs& args) const;
  Status check_cgroup(const std::string& vm) const;  // that nothing is left in it, where the records name nothing
  bool is_unexplained(const ProcessArgs& args) const;
  Status empty_cgroup_and_wait(const std::string& vm, const CallLimits& limits) const;
  Status end_unnamed(const std::string& vm, const CallLimits& limits) const;
  void watch_alone(const std::string& vm, std::int64_t incarnation, const ProcessId& vmm);

  Options options_;
  mutable std::mutex mutex_;
  std::mutex bounding_;                                  // one at a time cuts the lost ones' logs
  std::set<std::pair<std::string, std::int64_t>> lost_;  // VMs and incarnations without their supervisor
  Cgroups cgroups_;
  const Leftovers leftovers_;
  ExitListener on_exit_;
  ExitWatch exits_;
};

}  // namespace qarax::agent
