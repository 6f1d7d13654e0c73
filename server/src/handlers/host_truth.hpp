// What a host's node has and the server hasn't: asked, taken over or removed by explicit calls only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/adopt.hpp"
#include "http/router.hpp"
#include "store/store.hpp"

namespace qarax::server {

class VmRenderer;

// As Operations: thread-safe, may block, errors carry the reasons of the problem catalogue.
class HostTruth {
 public:
  virtual ~HostTruth() = default;
  virtual Result<api::AdoptPlan> plan(const std::string& host_id) = 0;
  virtual Result<api::AdoptPlan> adopt(const std::string& host_id, const std::string& plan) = 0;
  virtual Result<std::vector<api::AdoptVm>> unmanaged(const std::string& host_id) = 0;
  // `only_check`: nothing is changed; what it would be is answered.
  virtual Result<VmPtr> adopt_vm(const std::string& host_id, const std::string& vm_id, bool only_check) = 0;
  virtual Status remove_vm(const std::string& host_id, const std::string& vm_id, bool only_check) = 0;
  virtual Result<std::vector<core::Leftover>> leftovers(const std::string& host_id, bool collect) = 0;
  // Not waited for: an adopt; and remove_vm or a collect, which are kRemoveUnmanaged and kCollectLeftovers.
  virtual Result<JobPtr> begin_adopt(const std::string& host_id, const std::string& plan) = 0;
  virtual Result<JobPtr> begin(std::string_view action, const std::string& host_id, const std::string& vm_id) = 0;
};

void add_host_truth_routes(http::Router& router, HostTruth& truth, VmRenderer& renderer);

}  // namespace qarax::server
