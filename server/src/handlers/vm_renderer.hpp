// Renders VM records as JSON. The text is made once per version of a record and cached, so that a list of a thousand
// VMs costs a thousand appends.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/vm.hpp"
#include "handlers/conditional.hpp"
#include "store/reads.hpp"

namespace qarax::server {

class VmRenderer {
 public:
  // `known_hypervisors` is compat.hypervisor_names: another name is shown as the first of them, next to the true one.
  // Borrows the store: a VM that names no hypervisor is shown with the default of a host that is up.
  VmRenderer(const StoreReads& store, std::vector<std::string> known_hypervisors);

  // Any thread.
  std::string one(const VmPtr& vm);
  // `all`: the total number of VMs, of which `vms` are some.
  std::string list(const std::vector<VmPtr>& vms, std::size_t all);
  // The tag of what one() shows, except observed_at, which only tells when the state was last seen.
  EntityTag tag(const VmPtr& vm);
  std::string etag(const VmPtr& vm) { return tag(vm).text(); }

  api::Vm document(const VmRecord& vm, const std::string& default_hypervisor) const;
  // What an unplaced VM would get now, by the scheduler's rule.
  std::string default_hypervisor() const;

 private:
  struct Rendered {
    std::string text;
    EntityTag tag;
  };
  // Shared, so that rendering a list copies each text only into the list.
  using RenderedPtr = std::shared_ptr<const Rendered>;
  struct Entry {
    std::uint64_t version = 0;
    std::string assumed_hypervisor;  // used because the record names none
    RenderedPtr rendered;
  };
  RenderedPtr rendered(const VmPtr& vm, const std::string& default_hypervisor);
  void prune(std::size_t all);

  const StoreReads& store_;
  const std::vector<std::string> known_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace qarax::server
