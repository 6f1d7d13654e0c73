// The interface through which the handlers use the rest of the server: rules, jobs and nodes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/dry_run.hpp"
#include "api/system.hpp"
#include "http/websocket.hpp"
#include "store/store.hpp"

namespace qarax::server {

struct ActionCall {
  std::string vm_id;
  core::Action action = core::Action::start;
  std::string request_id;
  bool respond_async = false;                       // return as soon as the job is recorded
  bool forget = false;                              // remove only: leave a tombstone if the node can't be reached
  std::optional<std::uint64_t> expected_version{};  // of the VM; if it differs, ABORTED "precondition-failed"
  JobArguments arguments{};                         // resize, snapshot, restore and drop_snapshot only
};

// A JSON merge patch of the VM or host `id`.
struct EditCall {
  std::string id;
  std::string patch;
  std::optional<std::uint64_t> expected_version;
  std::string request_id;
};

struct ActionResult {
  VmPtr vm;              // its current record; null after a remove
  std::string job_id{};  // the recorded job; empty if nothing had to change
  bool pending = false;  // the answer is the job (202)
};

// Waits until the VM runs or, if `text` isn't empty, until its console shows the text.
struct WaitCall {
  std::string vm_id;
  std::string text;
  std::chrono::milliseconds timeout{30'000};
  std::int64_t incarnation = 0;  // the start to wait for; 0: the running one, else the next
  std::string request_id;
};

// One reader of a VM's serial log. Used by one thread at a time.
class ConsoleReader {
 public:
  virtual ~ConsoleReader() = default;
  // The next piece; an empty one if none arrived within `wait`; nullopt at the end of the log.
  virtual Result<std::optional<std::string>> next(std::chrono::milliseconds wait) = 0;
};

// Foresees the result of a change without changing anything. Errors are those of the change itself. Thread-safe.
class DryRuns {
 public:
  virtual ~DryRuns() = default;
  virtual Result<api::DryRun> create_vm(const NewVmInput& input) = 0;
  virtual Result<api::DryRun> edit_vm(const EditCall& call) = 0;
  virtual Result<api::DryRun> act(const ActionCall& call) = 0;
  virtual Result<api::DryRun> add_host(const NewHostInput& input) = 0;
  virtual Result<api::DryRun> edit_host(const EditCall& call) = 0;
  virtual Result<api::DryRun> remove_host(const RemoveHost& asked) = 0;
  virtual Result<api::DryRun> init_host(const std::string& host_id) = 0;
  virtual Result<api::DryRun> cancel_job(const std::string& job_id) = 0;
};

// Thread-safe; a call may block up to the action's wait limit. Errors carry the reasons of the problem catalogue; the
// id of a job that is still running, or is in the way, is a detail with the pointer "/job_id".
class Operations {
 public:
  virtual ~Operations() = default;
  virtual Result<VmPtr> create_vm(const NewVmInput& input, const std::string& request_id) = 0;
  virtual Result<VmPtr> edit_vm(const EditCall& call) = 0;
  virtual Result<ActionResult> act(const ActionCall& call) = 0;
  // See Orchestrator::cancel.
  virtual Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) = 0;
  virtual Result<Counters> counters(const std::string& vm_id) = 0;
  // Returns the VM as it is after the wait. Errors: DEADLINE_EXCEEDED "wait-timeout" and FAILED_PRECONDITION
  // "wait-ended", with the last console lines as a detail of the pointer "/console_tail"; RESOURCE_EXHAUSTED
  // "overloaded" if too many callers wait.
  virtual Result<VmPtr> wait_for(const WaitCall& call) = 0;
  virtual Result<std::unique_ptr<ConsoleReader>> console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                         const std::string& request_id) = 0;
  // Returns an open console connection for a WebSocket. It first sends the last `tail_bytes` of what the guest has
  // written: nullopt everything kept, 0 nothing. Close codes: 1000 the console has ended, 1011 the node is lost.
  virtual Result<std::unique_ptr<http::SocketPeer>> attach_console(const VmRecord& vm,
                                                                   std::optional<std::int64_t> tail_bytes,
                                                                   const std::string& request_id) = 0;
  // The end of the VMM's own log; may be empty.
  virtual Result<std::string> vmm_log(const VmRecord& vm) = 0;
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // also begins to connect to it
  virtual Result<HostPtr> edit_host(const EditCall& call) = 0;
  virtual Status remove_host(const RemoveHost& asked, const std::string& request_id) = 0;
  virtual Result<HostPtr> init_host(const std::string& host_id, const std::string& request_id) = 0;
  virtual Result<JobPtr> begin_init_host(const std::string& host_id) = 0;  // doesn't wait for the job
  virtual DryRuns& dry_runs() = 0;
  virtual std::vector<api::Check> checks() = 0;  // what /readyz shows besides the store's check
};

}  // namespace qarax::server
