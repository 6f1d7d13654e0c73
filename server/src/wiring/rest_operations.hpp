// Implements Operations for the handlers with the orchestrator and its neighbours.
#pragma once

#include "editor.hpp"
#include "handlers/operations.hpp"
#include "host_jobs.hpp"
#include "node_queries.hpp"
#include "orchestrator.hpp"
#include "wiring/vm_waits.hpp"
#include "wiring/whole_log.hpp"

namespace qarax::server {

class RestOperations final : public Operations {
 public:
  struct Options {
    std::int64_t action_wait_ms = 60'000;
    std::int64_t connect_wait_ms = 10'000;  // for POST /hosts/{id}/init
    std::int64_t max_attachments = 64;      // attached consoles at once
    std::int64_t max_logs = 64LL << 20;     // bytes of whole serial logs being read or sent
  };
  // Borrows all references.
  RestOperations(Store& store, Orchestrator& orchestrator, const NodeQueries& queries, HostJobs& host_jobs,
                 Editor& editor, DryRuns& dry_runs, Options options);

  Result<VmPtr> create_vm(const NewVmInput& input, const std::string& request_id) override;
  Result<VmPtr> edit_vm(const EditCall& call) override;
  Result<ActionResult> act(const ActionCall& call) override;
  Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) override;
  Result<Counters> counters(const std::string& vm_id) override { return queries_.counters(vm_id); }
  Result<VmPtr> wait_for(const WaitCall& call) override { return waits_.wait(call); }
  Result<std::unique_ptr<ConsoleReader>> console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                 const std::string& request_id) override;
  Result<std::unique_ptr<http::SocketPeer>> attach_console(const VmRecord& vm, std::optional<std::int64_t> tail_bytes,
                                                           const std::string& request_id) override;
  Result<std::string> vmm_log(const VmRecord& vm) override { return queries_.read_vmm_log(vm); }
  Result<HostPtr> add_host(const NewHostInput& input) override;
  Result<HostPtr> edit_host(const EditCall& call) override;
  Status remove_host(const RemoveHost& asked, const std::string& request_id) override;
  Result<HostPtr> init_host(const std::string& host_id, const std::string& request_id) override;
  Result<JobPtr> begin_init_host(const std::string& host_id) override {
    return host_jobs_.in_background(HostAction::init_host, host_id, "");
  }
  DryRuns& dry_runs() override { return dry_runs_; }
  std::vector<api::Check> checks() override;

 private:
  std::string console_tail(const VmRecord& vm);

  Store& store_;
  Orchestrator& orchestrator_;
  const NodeQueries& queries_;
  HostJobs& host_jobs_;
  Editor& editor_;
  DryRuns& dry_runs_;
  const Options options_;
  ReplyRoom logs_{options_.max_logs};
  VmWaits waits_;
  std::atomic<std::int64_t> attachments_{0};
};

}  // namespace qarax::server
