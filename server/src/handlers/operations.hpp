// What the handlers ask of the rest of the server: the rules, the jobs and the nodes are behind it.
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
  bool forget = false;                              // of remove: leave a tombstone where the node can't be reached
  std::optional<std::uint64_t> expected_version{};  // of the VM: ABORTED "precondition-failed" where it has another one
  JobArguments arguments{};                         // of resize, snapshot, restore, drop_snapshot
};

// A JSON merge patch of the VM or host `id`.
struct EditCall {
  std::string id;
  std::string patch;
  std::optional<std::uint64_t> expected_version;
  std::string request_id;
};

struct ActionResult {
  VmPtr vm;              // as it now is; null after a remove
  std::string job_id{};  // of the job that was recorded; empty where nothing had to change
  bool pending = false;  // what is answered is the job
};

// Until the VM runs, or, with a text, until its console shows that.
struct WaitCall {
  std::string vm_id;
  std::string text;
  std::chrono::milliseconds timeout{30'000};
  std::int64_t incarnation = 0;  // of the start that was just asked for; 0: what runs now, else what runs next
  std::string request_id;
};

// One reader of a VM's serial log. One thread at a time.
class ConsoleReader {
 public:
  virtual ~ConsoleReader() = default;
  // The next piece; an empty one where `wait` passed without any; nullopt at the end of the log.
  virtual Result<std::optional<std::string>> next(std::chrono::milliseconds wait) = 0;
};

// What a change would come to; nothing is changed. The errors are the change's own. Thread-safe.
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
// id of a job that goes on, or stands in the way, is a detail with the pointer "/job_id".
class Operations {
 public:
  virtual ~Operations() = default;
  virtual Result<VmPtr> create_vm(const NewVmInput& input, const std::string& request_id) = 0;
  virtual Result<VmPtr> edit_vm(const EditCall& call) = 0;
  virtual Result<ActionResult> act(const ActionCall& call) = 0;
  // As Orchestrator::cancel.
  virtual Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) = 0;
  virtual Result<Counters> counters(const std::string& vm_id) = 0;
  // The VM as it then is. DEADLINE_EXCEEDED "wait-timeout", FAILED_PRECONDITION "wait-ended" with the last console
  // lines as a detail of the pointer "/console_tail"; RESOURCE_EXHAUSTED "overloaded" where too many wait.
  virtual Result<VmPtr> wait_for(const WaitCall& call) = 0;
  virtual Result<std::unique_ptr<ConsoleReader>> console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                         const std::string& request_id) = 0;
  // What is behind a WebSocket, open. `tail_bytes` of what the guest has written comes first: nullopt all that is kept,
  // 0 none. Its close codes: 1000 the guest's end, 1011 the node is lost.
  virtual Result<std::unique_ptr<http::SocketPeer>> attach_console(const VmRecord& vm,
                                                                   std::optional<std::int64_t> tail_bytes,
                                                                   const std::string& request_id) = 0;
  // The end of the VMM's own log; empty where it says nothing.
  virtual Result<std::string> vmm_log(const VmRecord& vm) = 0;
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // and begins to connect
  virtual Result<HostPtr> edit_host(const EditCall& call) = 0;
  virtual Status remove_host(const RemoveHost& asked, const std::string& request_id) = 0;
  virtual Result<HostPtr> init_host(const std::string& host_id, const std::string& request_id) = 0;
  virtual Result<JobPtr> begin_init_host(const std::string& host_id) = 0;  // that isn't waited for
  virtual DryRuns& dry_runs() = 0;
  virtual std::vector<api::Check> checks() = 0;  // what /readyz shows beside the store's own
};

}  // namespace qarax::server
