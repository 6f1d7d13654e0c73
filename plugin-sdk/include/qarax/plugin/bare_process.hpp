// What a VM's process alone tells, for plugins that ask their VMM nothing: inspect and recover of one whose handle is
// make_handle()'s. A plugin that can ask its VMM does, and takes from here what suits it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "qarax/plugin/handle.hpp"
#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

// running, or shutdown with its exit. NOT_FOUND: that incarnation never had a process.
inline Result<VmStatus> process_status(Host& host, const Call& call, const std::string& vm, std::int64_t incarnation) {
  QARAX_TRY(Process process, host.find(&call, {vm, incarnation}));
  return VmStatus{.state = process.alive ? VmState::running : VmState::shutdown, .exit = std::move(process.exit)};
}

// The errors of check_handle(), then as above.
inline Result<VmStatus> inspect_process(Host& host, const Call& call, const VmArgs& vm, std::string_view plugin,
                                        std::int64_t format) {
  QARAX_CHECK(check_handle(vm, plugin, format));
  return process_status(host, call, vm.vm, vm.incarnation);
}

// After the agent's restart: the truth about what was started; of a start that was broken off, before its handle was
// kept or before there was a process, nothing stays.
inline Result<VmStatus> recover_process(Host& host, const Call& call, const VmArgs& vm, std::string_view plugin,
                                        std::int64_t format) {
  if (vm.handle.text != "null") {
    QARAX_CHECK(check_handle(vm, plugin, format));
    auto found = process_status(host, call, vm.vm, vm.incarnation);
    if (found || found.error().code != Code::not_found) return found;
  }
  QARAX_CHECK(host.kill(&call, {vm.vm, vm.incarnation}));
  return VmStatus{.state = VmState::shutdown};
}

}  // namespace qarax::plugin
