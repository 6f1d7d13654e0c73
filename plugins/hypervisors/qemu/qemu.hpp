// QEMU as a qarax hypervisor: one process per VM under the host's supervisor, monitor and serial as listening sockets
// that were open before it ran.
#pragma once

#include <optional>
#include <string>

#include "accelerator.hpp"
#include "argv.hpp"
#include "monitors.hpp"
#include "program.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"
#include "status.hpp"

namespace qarax::qemu {

using plugin::Accelerator;
using plugin::Verdict;

class Qemu final : public plugin::Hypervisor,
                   public plugin::CanPause,
                   public plugin::CanReboot,
                   public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = qemu::kConfigSchema;
  Qemu(plugin::Host& host, const CreateArgs& args);

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override;
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;

 private:
  Result<VmStatus> launch(plugin::Call& call, const StartArgs& args, const Handle& handle);
  // What `ask` says of a VM's monitor; FAILED_PRECONDITION with its end where the VM has ended meanwhile.
  template <class Ask>
  auto with_monitor(plugin::Call& call, const VmArgs& args, Ask ask) -> decltype(ask(std::declval<QmpClient&>()));
  Error why_not(plugin::Call& call, const VmArgs& args, Error error);
  Result<VmStatus> look(plugin::Call& call, const VmArgs& args, const Handle& handle);
  VmStatus gone(const VmArgs& args, const Process& process, const Handle* handle);
  // The guest's own way out within timeout_ms; empty `status`: it has to be killed, and `why` says so.
  struct Pressed {
    std::optional<VmStatus> status{};
    std::string why{};
  };
  Result<Pressed> press_button(plugin::Call& call, const StopArgs& args, const Handle* handle);
  Status check(const VmSpec& spec, const Verdict& verdict) const;

  plugin::Host& host_;
  const Settings settings_;
  const Program program_;
  Accelerator accelerator_;
  Monitors monitors_;
};

}  // namespace qarax::qemu
