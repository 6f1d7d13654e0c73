// What the handlers ask of the rest of the server: the rules, the jobs and the nodes are behind it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/system.hpp"
#include "store/store.hpp"

namespace qarax::server {

struct ActionCall {
  std::string vm_id;
  core::Action action = core::Action::start;
  std::string request_id;
  bool respond_async = false;  // return as soon as the job is recorded
  bool forget = false;         // of remove: leave a tombstone where the node can't be reached
  JobArguments arguments{};    // of resize, snapshot, restore, drop_snapshot
};

struct ActionResult {
  VmPtr vm;            // as it now is; null after a remove
  std::string job_id;  // of the job that was recorded; empty where nothing had to change
  bool pending = false;
};

// One reader of a VM's serial log. One thread at a time.
class ConsoleReader {
 public:
  virtual ~ConsoleReader() = default;
  // The next piece; an empty one where `wait` passed without any; nullopt at the end of the log.
  virtual Result<std::optional<std::string>> next(std::chrono::milliseconds wait) = 0;
};

// Thread-safe; a call may block up to the action's wait limit. Errors carry the reasons of the problem catalogue; the
// id of a job that goes on, or stands in the way, is a detail with the pointer "/job_id".
class Operations {
 public:
  virtual ~Operations() = default;
  virtual Result<VmPtr> create_vm(const NewVmInput& input, const std::string& request_id) = 0;
  virtual Result<ActionResult> act(const ActionCall& call) = 0;
  // As Orchestrator::cancel.
  virtual Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) = 0;
  virtual Result<Counters> counters(const std::string& vm_id) = 0;
  virtual Result<std::unique_ptr<ConsoleReader>> console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                         const std::string& request_id) = 0;
  virtual Result<HostPtr> add_host(const NewHostInput& input) = 0;  // and begins to connect
  virtual Result<HostPtr> init_host(const std::string& host_id, const std::string& request_id) = 0;
  virtual std::vector<api::Check> checks() = 0;  // what /readyz shows beside the store's own
};

}  // namespace qarax::server
