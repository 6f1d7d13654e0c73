// Queries to a VM's node that aren't jobs: its console, its VMM's log, its counters. They aren't recorded, and nothing
// goes on once the caller is gone.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "fleet.hpp"
#include "reads.hpp"

namespace qarax::server {

// Thread-safe; each call blocks its caller until the node has answered. A node that can't be asked, or doesn't answer
// in time, is UNAVAILABLE "node-unreachable" in each of them; its own refusals come in the words of the REST API.
class NodeQueries {
 public:
  // Borrows both.
  NodeQueries(const StoreReads& store, const Fleet& nodes) : store_(store), nodes_(nodes) {}

  // NOT_FOUND "vm-not-found"; FAILED_PRECONDITION "wrong-state" where no VMM runs, "unsupported-by-hypervisor";
  // UNIMPLEMENTED "node-outdated".
  Result<Counters> counters(const std::string& vm_id) const;
  // `sink`, `follow` and `stop` are as NodeAccess::read_console has them. A VM that has never started, or has no
  // console, has an empty log. NOT_FOUND "vm-not-found".
  Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                      const std::function<bool(std::string_view)>& sink, const std::stop_token& stop = {}) const;
  // FAILED_PRECONDITION "wrong-state" where no VMM runs or the VM has no console; UNIMPLEMENTED "node-outdated"; else
  // as NodeAccess::attach_console.
  Result<std::unique_ptr<ConsoleLine>> attach_console(const VmRecord& vm, std::int64_t tail_bytes) const;
  // The end of the VMM's own log; it is empty where the node has none. UNIMPLEMENTED "node-outdated".
  Result<std::string> read_vmm_log(const VmRecord& vm) const;

 private:
  Result<std::shared_ptr<NodeAccess>> link_of(const VmRecord& vm) const;  // the link must be up

  const StoreReads& store_;
  const Fleet& nodes_;
};

}  // namespace qarax::server
