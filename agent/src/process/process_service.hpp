// Implements qarax.host.process/1. Every process that outlives a call is started here, under its VM's supervisor, in
// its own cgroup and session, and is recorded before it exists. Thread-safe; blocking calls end at their limits.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "call_limits.hpp"
#include "cgroup.hpp"
#include "exit_watch.hpp"
#include "leftovers.hpp"
#include "qarax/plugin/call_args.hpp"
#include "vm_processes.hpp"

namespace qarax::agent {

class ProcessService {
 public:
  struct Options {
    std::string supervisor;  // path of the qarax-supervisor program
    std::string vms_dir;     // <data>/vms
    std::int64_t console_log_max = 16LL << 20;
    std::int64_t record_ms = 5'000;       // limit from a supervisor's lock to its record
    std::int64_t exit_record_ms = 5'000;  // from a VMM's end to that of its supervisor, which records it first
  };
  // Called on the exit watch's thread when a VM's supervisor has ended, and again at the end of a VMM that outlived its
  // supervisor; find() tells which. Must be quick.
  using ExitListener = std::function<void(const std::string& vm, std::int64_t incarnation)>;

  ProcessService(Options options, Cgroups cgroups, ExitListener on_exit);

  std::string vm_dir(const std::string& vm) const { return options_.vms_dir + "/" + vm; }
  std::string run_dir(const std::string& vm, std::int64_t incarnation) const {
    return vm_dir(vm) + "/run/" + std::to_string(incarnation);
  }

  Result<Process> spawn(const SpawnArgs& args, const std::vector<int>& fds, const CallLimits& limits);
  // NOT_FOUND: no process was started for that incarnation. A supervisor that has just started is given `record_ms` to
  // record its VMM; UNAVAILABLE: it hasn't by then. DEADLINE_EXCEEDED: the VMM has ended, and its supervisor, which
  // lives, hasn't recorded how within `exit_record_ms`, as on a slow disk: ask again. FAILED_PRECONDITION: the
  // supervisor lives in another PID namespace, where its processes can't be seen, or the VM's cgroup contradicts the
  // record. At the limits, DEADLINE_EXCEEDED or CANCELLED: nothing is known yet.
  Result<Process> find(const ProcessArgs& args, const CallLimits& limits = {});
  // True if a supervisor of any incarnation holds its lock, in whatever PID namespace, so that its VMM may run. True
  // also if that can't be found out.
  bool is_supervised(const std::string& vm) const;
  Result<bool> supervised(const std::string& vm) const;  // the same, or why it can't be found out
  // True if the VM's cgroup has processes, or a process bears the VM's mark, whatever the records say.
  bool is_seen(const std::string& vm) const;
  Status signal(const SignalArgs& args);
  // Call this before a start changes anything. FAILED_PRECONDITION: a process of another incarnation, or one that no
  // record names, is there; a start that failed on it later would undo itself and end that VM. OK if the process is of
  // the same incarnation, because the start is then a repetition.
  Status check_alone(const ProcessArgs& args);
  Status kill(const ProcessArgs& args, const CallLimits& limits);
  // Ends the processes of every incarnation that has a run folder, whether a record names them or not: nothing of the
  // VM runs when it returns OK. A supervisor that hasn't recorded the end within `exit_record_ms` is ended as well.
  Status kill_all(const std::string& vm, const CallLimits& limits);
  Result<Process> wait(const ProcessArgs& args, const CallLimits& limits);
  // Reaps a child of the agent whenever it ends, and tells nobody.
  void reap_later(const ProcessId& child) {
    exits_.watch(child, [] {});
  }
  Status claim(const ClaimArgs& args);
  Status release(const ClaimArgs& args);

  // After the agent's restart: watches a supervisor (or a VMM without one) that an earlier agent started, so that its
  // exit is reported. False: it is gone already.
  bool adopt(const std::string& vm, std::int64_t incarnation);
  // True if the VMM runs on without its supervisor: nothing serves its console, and nobody will see its exit code.
  bool has_lost_supervisor(const std::string& vm, std::int64_t incarnation) const;
  bool has_lost_any() const;
  // Limits the size of those VMMs' logs, which their supervisors would do otherwise.
  void bound_lost_logs();
  // Removes the sockets and the cgroup of an incarnation that has ended; the console log and the records stay.
  void clean_up(const std::string& vm, std::int64_t incarnation);
  // At the agent's end: removes what is the agent's own and leaves what running VMs need.
  void leave() const { cgroups_.leave(); }
  const Leftovers& leftovers() const { return leftovers_; }
  const VmProcesses& vm_processes() const { return vm_processes_; }

 private:
  void watch(const std::string& vm, std::int64_t incarnation, const ProcessId& supervisor);
  static Error seen_nowhere(const std::string& vm, const std::string& run_dir);
  // FAILED_PRECONDITION: the VMM of another incarnation lives. Not ALREADY_EXISTS, which a plugin takes for its own
  // process.
  Status no_other_incarnation(const ProcessArgs& args) const;
  // `record_ms`: limit from the VMM's end to that of its supervisor, in addition to `limits`.
  Status kill_within(const ProcessArgs& args, const CallLimits& limits, std::optional<std::int64_t> record_ms);
  bool is_supervisor_left(const ProcessArgs& args) const;  // and its VMM is gone
  Status check_cgroup(const std::string& vm) const;        // fails if the VM's cgroup still has processes
  bool is_unexplained(const ProcessArgs& args) const;
  Status empty_cgroup_and_wait(const std::string& vm, const CallLimits& limits) const;
  Status end_unnamed(const std::string& vm, const CallLimits& limits) const;
  void watch_alone(const std::string& vm, std::int64_t incarnation, const ProcessId& vmm);

  Options options_;
  mutable std::mutex mutex_;
  std::mutex bounding_;                                  // held by the one thread that cuts the logs of lost_
  std::set<std::pair<std::string, std::int64_t>> lost_;  // VMs and incarnations without their supervisor
  Cgroups cgroups_;
  const VmProcesses vm_processes_;
  const Leftovers leftovers_;
  ExitListener on_exit_;
  ExitWatch exits_;
};

}  // namespace qarax::agent
