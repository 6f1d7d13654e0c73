// Cloud Hypervisor as a qarax hypervisor: one VMM process per VM under the host's supervisor, driven over HTTP on a
// unix socket that was open before it ran, serial console on another.
#pragma once

#include <optional>
#include <string>

#include "accelerator.hpp"
#include "api_client.hpp"
#include "program.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "settings.hpp"

namespace qarax::cloud_hypervisor {

struct Handle {
  std::int64_t format = 1;
  std::string vmm{};  // "cloud_hv": a handle of another plugin isn't ours
  std::string version{};
  std::string evidence{};
};

class CloudHypervisor final : public plugin::Hypervisor,
                              public plugin::CanPause,
                              public plugin::CanReboot,
                              public plugin::CanResize,
                              public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = cloud_hypervisor::kConfigSchema;
  CloudHypervisor(plugin::Host& host, const CreateArgs& args);

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resize(plugin::Call& call, const ResizeArgs& args) override;
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;

 private:
  Result<VmStatus> launch(plugin::Call& call, const StartArgs& args, const Handle& handle);
  Result<VmStatus> finish_start(plugin::Call& call, const StartArgs& args, const Handle& handle);
  // One action on a VM that runs; what its VMM refuses because it is so already counts as done.
  Result<VmStatus> act(plugin::Call& call, const VmArgs& args, Status (ApiClient::*what)(const plugin::Call&) const,
                       VmState wanted);
  Result<VmStatus> look(plugin::Call& call, const VmArgs& args, const Handle& handle);

  plugin::Host& host_;
  const Settings settings_;
  const Program program_;
  plugin::Accelerator accelerator_;
};

}  // namespace qarax::cloud_hypervisor

namespace qarax {
template <>
struct Fields<cloud_hypervisor::Handle> {
  using T = cloud_hypervisor::Handle;
  static constexpr std::string_view kName = "cloud_hv handle";
  static constexpr auto kTable =
      std::make_tuple(field<&T::format>("format").required(), field<&T::vmm>("vmm").required(),
                      field<&T::version>("version"), field<&T::evidence>("evidence"));
};
QARAX_FIELDS_COMPLETE(cloud_hypervisor::Handle);
}  // namespace qarax
