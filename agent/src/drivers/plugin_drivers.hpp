// The loaded plugins as the VM manager's drivers, and what the node says of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "driver.hpp"
#include "node_config.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/plugin_host/plugin_host.hpp"

namespace qarax::agent {

class PluginDrivers final : public Drivers {
 public:
  explicit PluginDrivers(core::PluginHost& host) : host_(host) {}
  ~PluginDrivers() override;

  // What the config names: files with their config first, then the rest of each folder. `boot` is passed to plugins
  // that ask for a kernel to try an accelerator with. The error is about a `required` plugin that was refused.
  Status load(const NodeConfig& config, const BootFiles& boot);

  Result<Driver*> find(const std::string& name) override;
  std::vector<core::PluginInfo> infos() const;
  // config's choice, else cloud_hv where healthy, else the first healthy one, else the first loaded.
  std::string default_hypervisor(const std::string& configured) const;

 private:
  core::PluginHost& host_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Driver>> drivers_;
};

}  // namespace qarax::agent
