// Implements HostTruth for the handlers: reads go to the Adopter, changes to HostJobs.
#pragma once

#include "adopter.hpp"
#include "handlers/host_truth.hpp"
#include "host_jobs.hpp"

namespace qarax::server {

class RestHostTruth final : public HostTruth {
 public:
  // Borrows both.
  RestHostTruth(Adopter& adopter, HostJobs& jobs) : adopter_(adopter), jobs_(jobs) {}

  Result<api::AdoptPlan> plan(const std::string& host_id) override { return adopter_.plan(host_id); }
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan) override {
    return jobs_.adopt(host_id, plan, kWaitMs);
  }
  Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id) override {
    return adopter_.unmanaged(host_id);
  }
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check) override {
    return only_check ? adopter_.adopt_vm(host_id, vm_id, true) : jobs_.adopt_vm(host_id, vm_id);
  }
  Status remove_vm(const std::string& host_id, const std::string& vm_id, bool only_check) override {
    if (!only_check) return jobs_.remove_vm(host_id, vm_id, kWaitMs);
    QARAX_CHECK(adopter_.revision_to_remove(host_id, vm_id));
    return Ok{};
  }
  Result<std::vector<core::Leftover>> leftovers(const std::string& host_id, bool collect) override {
    return collect ? jobs_.collect(host_id) : adopter_.leftovers(host_id, false);
  }
  Result<JobPtr> begin_adopt(const std::string& host_id, const std::string& plan) override {
    return jobs_.adopt_in_background(host_id, plan);
  }
  Result<JobPtr> begin(HostAction action, const std::string& host_id, const std::string& vm_id) override {
    return jobs_.in_background(action, host_id, vm_id);
  }

 private:
  static constexpr std::int64_t kWaitMs = 30'000;
  Adopter& adopter_;
  HostJobs& jobs_;
};

}  // namespace qarax::server
