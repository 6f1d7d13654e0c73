// Implements DryRuns with Foresight.
#pragma once

#include "foresight.hpp"
#include "handlers/operations.hpp"

namespace qarax::server {

class RestDryRuns final : public DryRuns {
 public:
  // Borrows all references.
  RestDryRuns(Store& store, Fleet& nodes, Editor& editor) : store_(store), foresight_(store, nodes, editor) {}

  Result<api::DryRun> create_vm(const NewVmInput& input) override { return shown(foresight_.create(input)); }
  Result<api::DryRun> edit_vm(const EditCall& call) override { return shown(foresight_.edit_vm(edit_of(call))); }
  Result<api::DryRun> act(const ActionCall& call) override {
    ActOptions options;
    options.arguments = call.arguments;
    options.expected_version = call.expected_version;
    return shown(foresight_.act(call.vm_id, call.action, call.forget, options));
  }
  Result<api::DryRun> add_host(const NewHostInput& input) override { return shown(foresight_.add_host(input)); }
  Result<api::DryRun> edit_host(const EditCall& call) override { return shown(foresight_.edit_host(edit_of(call))); }
  Result<api::DryRun> remove_host(const RemoveHost& asked) override { return shown(foresight_.remove_host(asked)); }
  Result<api::DryRun> init_host(const std::string& host_id) override { return shown(foresight_.init_host(host_id)); }
  Result<api::DryRun> cancel_job(const std::string& job_id) override { return shown(foresight_.cancel(job_id)); }

 private:
  static Edit edit_of(const EditCall& call) { return {call.id, call.patch, call.expected_version, true}; }
  Result<api::DryRun> shown(Result<Foreseen> foreseen) const;

  const StoreReads& store_;
  const Foresight foresight_;
};

}  // namespace qarax::server
