#include "plugin_drivers.hpp"

#include <filesystem>

#include "default_hypervisor.hpp"
#include "qarax/core/plugin_host/plugin_files.hpp"

namespace qarax::agent {

namespace {

// Narrows a plugin to what the manager asks of it.
class PluginDriver final : public Driver {
 public:
  explicit PluginDriver(core::LoadedHypervisor& plugin) : plugin_(plugin) {}
  std::string version() const override { return plugin_.version(); }
  Result<VmSpec> resolve(const DriverCall& call, const ResolveArgs& args) override {
    return plugin_.resolve(call, args);
  }
  Result<VmStatus> start(const DriverCall& call, const StartArgs& args) override { return plugin_.start(call, args); }
  Result<VmStatus> stop(const DriverCall& call, const StopArgs& args) override { return plugin_.stop(call, args); }
  Result<VmStatus> inspect(const DriverCall& call, const VmArgs& args) override { return plugin_.inspect(call, args); }
  Result<VmStatus> recover(const DriverCall& call, const VmArgs& args) override { return plugin_.recover(call, args); }
  Result<VmStatus> pause(const DriverCall& call, const VmArgs& args) override { return plugin_.pause(call, args); }
  Result<VmStatus> resume(const DriverCall& call, const VmArgs& args) override { return plugin_.resume(call, args); }
  Result<VmStatus> reboot(const DriverCall& call, const VmArgs& args) override { return plugin_.reboot(call, args); }
  Result<VmStatus> resize(const DriverCall& call, const ResizeArgs& args) override {
    return plugin_.resize(call, args);
  }
  Result<VmStatus> snapshot(const DriverCall& call, const SnapshotArgs& args) override {
    return plugin_.snapshot(call, args);
  }
  Result<VmStatus> restore(const DriverCall& call, const StartArgs& args) override {
    return plugin_.restore(call, args);
  }
  Result<Counters> counters(const DriverCall& call, const VmArgs& args) override {
    return plugin_.counters(call, args);
  }

 private:
  core::LoadedHypervisor& plugin_;
};

std::string name_of(const core::PluginRecord& record) {
  return record.name.empty() ? std::filesystem::path(record.path).stem().string() : record.name;
}

// The node's own boot files, for plugins that boot a probe guest and whose config names no other files.
RawJson probe_files(const BootFiles& boot) {
  if (boot.kernel.empty()) return {};
  json::Object object{{"probe_kernel", json::Value(boot.kernel)}};
  if (!boot.initramfs.empty()) object.emplace_back("probe_initramfs", json::Value(boot.initramfs));
  return RawJson{json::to_text(json::Value(std::move(object)))};
}

}  // namespace

PluginDrivers::~PluginDrivers() = default;

Status PluginDrivers::load(const NodeConfig& config, const BootFiles& boot, const News& news,
                           std::int64_t patience_ms) {
  std::vector<core::PluginFileConfig> entries;
  for (const auto& entry : config.plugins)
    entries.push_back(
        {entry.path, entry.config, entry.required, config.data_dir + "/plugins", probe_files(boot), entry.at});
  const auto check = [](const core::PluginRecord& record) -> Status {
    if (record.state != core::PluginState::refused || !record.required) return Ok{};
    return make_error(Code::failed_precondition, "a required plugin was refused: " + record.reason);
  };
  core::PluginFiles found = core::find_plugin_files(entries);
  for (core::PluginRecord& refused : found.refused) QARAX_CHECK(check(host_.add_refused(std::move(refused))));
  host_.begin_loading(found.files, [this, news](const core::PluginRecord& record) {
    if (news) news(name_of(record));
  });
  host_.await_loading(patience_ms);
  for (const auto& record : host_.records()) QARAX_CHECK(check(record));
  return Ok{};
}

Result<Driver*> PluginDrivers::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = drivers_.find(name); found != drivers_.end()) return found->second.get();
  core::LoadedHypervisor* plugin = host_.hypervisor(name);
  if (plugin == nullptr && host_.may_be_loading(name))
    return make_error(Code::unavailable, still_loading(name), std::string(kPluginLoading));
  if (plugin == nullptr) return make_error(Code::unavailable, host_.explain_missing(name), "hypervisor-unavailable");
  return drivers_.emplace(name, std::make_unique<PluginDriver>(*plugin)).first->second.get();
}

std::string PluginDrivers::still_loading(const std::string& name) const {
  std::string files;
  for (const auto& record : host_.records())
    if (record.state == core::PluginState::loading) files.append("; ").append(record.reason);
  return "hypervisor \"" + name + "\" can't be used yet, try again in a moment" + files;
}

std::vector<core::PluginInfo> PluginDrivers::infos() const {
  std::vector<core::PluginInfo> out;
  for (const auto& record : host_.records()) {
    core::PluginInfo info;
    const bool loaded = record.state == core::PluginState::loaded;
    info.name = name_of(record);
    info.id = record.id;
    info.version = record.version;
    info.path = record.path;
    info.kind = "hypervisor";
    info.state = record.state;
    info.reason = record.reason;
    if (!loaded) info.step = core::to_string(record.step);
    info.interfaces = record.interfaces;
    if (loaded) info.description = record.description;
    out.push_back(std::move(info));
  }
  return out;
}

std::string PluginDrivers::default_hypervisor(const NodeConfig& config) const {
  if (!config.default_hypervisor.empty()) return config.default_hypervisor;
  return choose_default_hypervisor(host_.records(), config.default_hypervisors);
}

}  // namespace qarax::agent
