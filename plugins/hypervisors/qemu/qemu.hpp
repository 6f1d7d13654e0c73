// QEMU as a qarax hypervisor: one process per VM under the host's supervisor, monitor and serial as listening sockets
// that were open before it ran. The handle names nothing but a format: all else follows from the run folder.
#pragma once

#include <string>

#include "accelerator.hpp"
#include "argv.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "qmp_client.hpp"
#include "settings.hpp"

namespace qarax::qemu {

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
  Result<VmStatus> launch(plugin::Call& call, const StartArgs& args, const Verdict& verdict);
  Result<VmStatus> look(plugin::Call& call, const VmArgs& args);
  VmStatus ended(const Process& process) const;
  VmStatus alive(VmState state) const;
  Status check_handle(const VmArgs& args) const;

  plugin::Host& host_;
  Settings settings_;
  std::string no_binary_;  // why there is none; before binary_, whose initialiser writes it
  std::string binary_;     // empty: there is none
  std::string version_;
  Accelerator accelerator_;
};

}  // namespace qarax::qemu
