// HostTruth over the adopter: what the handlers ask, in its words.
#pragma once

#include "adopter.hpp"
#include "handlers/host_truth.hpp"

namespace qarax::server {

class RestHostTruth final : public HostTruth {
 public:
  RestHostTruth(Store& store, Fleet& nodes) : adopter_(store, nodes) {}

  Result<api::AdoptPlan> plan(const std::string& host_id) override { return adopter_.plan(host_id); }
  Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan) override {
    return adopter_.adopt(host_id, plan, kWaitMs);
  }
  Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id) override {
    return adopter_.unmanaged(host_id);
  }
  Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check) override {
    return adopter_.adopt_vm(host_id, vm_id, only_check);
  }
  Status remove_vm(const std::string& host_id, const std::string& vm_id, bool only_check) override {
    return adopter_.remove_vm(host_id, vm_id, kWaitMs, only_check);
  }
  Result<std::vector<core::Leftover>> leftovers(const std::string& host_id, bool collect) override {
    return adopter_.leftovers(host_id, collect);
  }

 private:
  static constexpr std::int64_t kWaitMs = 30'000;
  Adopter adopter_;
};

}  // namespace qarax::server
