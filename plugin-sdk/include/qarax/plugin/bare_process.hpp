// inspect and recover that rely on the VM's process alone, for plugins that can't query their VMM and whose handles
// come from make_handle(). A plugin that can query its VMM should do so, and may use parts of this.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "qarax/plugin/handle.hpp"
#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

// Reports running, or shutdown with its exit. NOT_FOUND: that incarnation never had a process.
inline Result<VmStatus> process_status(Host& host, const Call& call, const std::string& vm, std::int64_t incarnation) {
  QARAX_TRY(Process process, host.find(&call, {vm, incarnation}));
  return VmStatus{.state = process.alive ? VmState::running : VmState::shutdown, .exit = std::move(process.exit)};
}

// Returns check_handle()'s error if there is one, otherwise process_status().
inline Result<VmStatus> inspect_process(Host& host, const Call& call, const VmArgs& vm, std::string_view plugin,
                                        std::int64_t format) {
  QARAX_CHECK(check_handle(vm, plugin, format));
  return process_status(host, call, vm.vm, vm.incarnation);
}

// For recover, after the agent's restart: reports the state of a VM that was started. Of a start that was interrupted
// before its handle was kept or its process existed, or while the process was about to exist, everything is removed.
inline Result<VmStatus> recover_process(Host& host, const Call& call, const VmArgs& vm, std::string_view plugin,
                                        std::int64_t format) {
  if (vm.handle.text != "null") {
    QARAX_CHECK(check_handle(vm, plugin, format));
    auto found = process_status(host, call, vm.vm, vm.incarnation);
    if (found || (found.error().code != Code::not_found && found.error().code != Code::unavailable)) return found;
  }
  QARAX_CHECK(host.kill(&call, {vm.vm, vm.incarnation}));
  return VmStatus{.state = VmState::shutdown};
}

}  // namespace qarax::plugin
