// Operations over the orchestrator: what the handlers ask, in its words.
#pragma once

#include "handlers/operations.hpp"
#include "orchestrator.hpp"

namespace qarax::server {

class RestOperations final : public Operations {
 public:
  struct Options {
    std::int64_t action_wait_ms = 60'000;
    std::int64_t connect_wait_ms = 10'000;  // of POST /hosts/{id}/init
  };
  // Borrows both.
  RestOperations(Store& store, Orchestrator& orchestrator, Options options);

  Result<VmPtr> create_vm(const NewVmInput& input, const std::string& request_id) override;
  Result<ActionResult> act(const ActionCall& call) override;
  Result<JobPtr> cancel_job(const std::string& job_id, bool respond_async) override;
  Result<Counters> counters(const std::string& vm_id) override { return orchestrator_.counters(vm_id); }
  Result<std::unique_ptr<ConsoleReader>> console(const VmRecord& vm, std::int64_t tail_bytes, bool follow,
                                                 const std::string& request_id) override;
  Result<HostPtr> add_host(const NewHostInput& input) override;
  Result<HostPtr> init_host(const std::string& host_id, const std::string& request_id) override;
  std::vector<api::Check> checks() override;

 private:
  Store& store_;
  Orchestrator& orchestrator_;
  const Options options_;
};

}  // namespace qarax::server
