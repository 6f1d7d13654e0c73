// A HostTruth that answers with what the test has set.
#pragma once

#include "handlers/host_truth.hpp"

namespace qarax::server::testing {

class FakeHostTruth final : public HostTruth {
 public:
  std::optional<Error> failure;
  api::AdoptPlan planned;
  std::vector<api::AdoptVm> vms;
  VmPtr adopted;
  std::string confirmed;  // the plan that was carried out
  std::string taken;      // the VM that was adopted
  std::string removed;
  JobPtr begun;

  Result<api::AdoptPlan> plan(const std::string&) override {
    if (failure) return *failure;
    return planned;
  }
  Result<api::AdoptPlan> adopt(const std::string&, const std::string& plan) override {
    if (failure) return *failure;
    confirmed = plan;
    api::AdoptPlan done = planned;
    done.applied = true;
    return done;
  }
  Result<std::vector<api::AdoptVm>> unmanaged(const std::string&) override {
    if (failure) return *failure;
    return vms;
  }
  Result<VmPtr> adopt_vm(const std::string&, const std::string& vm_id, bool only_check) override {
    if (failure) return *failure;
    if (!only_check) taken = vm_id;
    return adopted;
  }
  Status remove_vm(const std::string&, const std::string& vm_id, bool only_check) override {
    if (failure) return *failure;
    if (!only_check) removed = vm_id;
    return Ok{};
  }
  Result<std::vector<core::Leftover>> leftovers(const std::string&, bool collect) override {
    if (failure) return *failure;
    return std::vector<core::Leftover>{{"file", "/tmp/x", "", "", collect, ""}};
  }
  Result<JobPtr> begin_adopt(const std::string& host_id, const std::string& plan) override {
    confirmed = plan;
    return begin(HostAction::adopt_host, host_id, "");
  }
  Result<JobPtr> begin(HostAction action, const std::string& host_id, const std::string& vm_id) override {
    if (failure) return *failure;
    Job job;
    job.id = "j1";
    job.action = to_string(action);
    job.host_id = host_id;
    job.vm_id = vm_id;
    begun = std::make_shared<const Job>(std::move(job));
    return begun;
  }
};

}  // namespace qarax::server::testing
