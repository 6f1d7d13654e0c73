// VMs and files that a host's node has but the server doesn't know: shown, adopted or removed only by explicit calls.
#pragma once

#include <string>
#include <vector>

#include "api/adopt.hpp"
#include "http/router.hpp"
#include "store/store.hpp"

namespace qarax::server {

class VmRenderer;

// Like Operations: thread-safe, may block, errors carry the reasons of the problem catalogue.
class HostTruth {
 public:
  virtual ~HostTruth() = default;
  virtual Result<api::AdoptPlan> plan(const std::string& host_id) = 0;
  virtual Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan) = 0;
  virtual Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id) = 0;
  // `only_check`: answers what would come of it and changes nothing.
  virtual Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check) = 0;
  virtual Status remove_vm(const std::string& host_id, const std::string& vm_id, bool only_check) = 0;
  virtual Result<std::vector<core::Leftover>> leftovers(const std::string& host_id, bool collect) = 0;
  // These return the recorded job without waiting for it. `action` of begin() is remove_unmanaged for remove_vm and
  // collect_leftovers for leftovers with `collect`.
  virtual Result<JobPtr> begin_adopt(const std::string& host_id, const std::string& plan) = 0;
  virtual Result<JobPtr> begin(HostAction action, const std::string& host_id, const std::string& vm_id) = 0;
};

void add_host_truth_routes(http::Router& router, HostTruth& truth, VmRenderer& renderer);

}  // namespace qarax::server
