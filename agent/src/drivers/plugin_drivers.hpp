// Makes the loaded plugins available to the VM manager as drivers, and reports them as the node's plugins.
#pragma once

#include <cstdint>
#include <functional>
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

  // Called when a file was loaded or refused, with its plugin's name (or the file's). On any thread; must only enqueue.
  using News = std::function<void(const std::string& plugin)>;

  // Loads what the config names: files with their config first, then the rest of each folder. `boot` is passed to
  // plugins that ask for a kernel to try an accelerator with. Files that still load after `patience_ms` go on in the
  // background, except `required` ones, which are waited for. Fails if a required plugin was refused.
  Status load(const NodeConfig& config, const BootFiles& boot, const News& news = {},
              std::int64_t patience_ms = kPatienceMs);

  // UNAVAILABLE "plugin-loading": a file that is still being loaded may be the one.
  Result<Driver*> find(const std::string& name) override;
  std::vector<core::PluginInfo> infos() const;
  // `default_hypervisor` of the config if it is set, else what choose_default_hypervisor() says.
  std::string default_hypervisor(const NodeConfig& config) const;

 private:
  static constexpr std::int64_t kPatienceMs = 1'000;

  std::string still_loading(const std::string& name) const;

  core::PluginHost& host_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Driver>> drivers_;
};

}  // namespace qarax::agent
