// Dry runs: what a change would come to, by the rules, the placement and the plugin's checks, without changing
// anything. `notes` lists what couldn't be checked; nothing is assumed.
#pragma once

#include <string>
#include <vector>

#include "decision.hpp"
#include "editor.hpp"
#include "fleet.hpp"
#include "store.hpp"

namespace qarax::server {

struct Foreseen {
  std::string action;   // create, edit, start, …
  bool changes = true;  // false: the object is in that state already
  std::optional<Placement> placement;
  std::optional<VmSpec> resolved;
  std::vector<std::string> notes;
};

// Thread-safe. The errors are those of the change itself (decision.hpp, the store's checks), and in addition a plugin's
// refusal to start the VM, which a create or an edit alone wouldn't meet yet.
class Foresight {
 public:
  // Borrows all.
  Foresight(Store& store, const Fleet& nodes, Editor& editor) : store_(store), nodes_(nodes), editor_(editor) {}

  Result<Foreseen> create(NewVmInput input) const;
  Result<Foreseen> edit_vm(const Edit& edit) const;
  Result<Foreseen> act(const std::string& vm_id, core::Action action, bool forget,
                       const ActOptions& options = {}) const;
  Result<Foreseen> add_host(NewHostInput input) const;
  Result<Foreseen> edit_host(const Edit& edit) const;
  Result<Foreseen> remove_host(RemoveHost asked) const;
  Result<Foreseen> init_host(const std::string& id) const;
  Result<Foreseen> cancel(const std::string& job_id) const;

 private:
  Result<Foreseen> start_of(const VmRecord& vm, Foreseen foreseen) const;
  Status ask_plugin(const VmRecord& vm, Foreseen& foreseen) const;
  Result<Foreseen> resize_of(const VmRecord& vm, const core::ResizeCommand& size, Foreseen foreseen) const;
  Result<Foreseen> job_of(const VmRecord& vm, const BeginJob& job, Foreseen foreseen) const;
  Result<Foreseen> removal_of(const VmRecord& vm, bool by_its_node, Foreseen foreseen) const;

  Store& store_;
  const Fleet& nodes_;
  Editor& editor_;
};

}  // namespace qarax::server
