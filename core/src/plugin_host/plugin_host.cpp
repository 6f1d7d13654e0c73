#include "qarax/core/plugin_host/plugin_host.hpp"

#include <chrono>
#include <deque>
#include <filesystem>
#include <mutex>

#include "ending.hpp"
#include "loading.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/options_check.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::core {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct PluginHost::Impl {
  Impl(HostServices& the_services, PluginHostOptions the_options) : services(the_services), options(the_options) {}

  HostServices& services;
  const PluginHostOptions options;
  std::shared_ptr<const Logger> log = logger("plugins");
  mutable std::mutex mutex;                     // guards the list and the records; never held across a plugin call
  std::deque<std::unique_ptr<Plugin>> plugins;  // in order of loading; only load adds, nothing leaves before the end
  bool shut_down = false;
  std::string held_by;  // the file whose loading hangs, and with it the system's loader; load's alone

  PluginRecord add(std::unique_ptr<Plugin> plugin);
  std::vector<ErrorDetail> unchecked_of(const PluginRecord& record) const;  // says them in the log
  const Plugin* find(std::string_view name) const {
    for (const auto& plugin : plugins)
      if (plugin->hypervisor && plugin->record.name == name) return plugin.get();
    return nullptr;
  }
};

std::vector<ErrorDetail> PluginHost::Impl::unchecked_of(const PluginRecord& record) const {
  auto unchecked = unchecked_rules(record.description.options_schema.text);
  for (const auto& rule : unchecked)
    log->warn(
        "plugin {}: its options_schema {}: {}; a VM's config isn't refused by it before the plugin is asked plugin={}",
        record.path, rule.pointer, rule.detail, record.name);
  return unchecked;
}

PluginHost::PluginHost(HostServices& services, PluginHostOptions options)
    : impl_(std::make_unique<Impl>(services, options)) {}

PluginHost::~PluginHost() { static_cast<void>(shutdown(5000)); }

PluginRecord PluginHost::load(const PluginFileConfig& config) {
  if (!impl_->held_by.empty()) {
    PluginRecord refused;
    refused.path = config.path;
    refused.required = config.required;
    refused.step = LoadStep::open;
    refused.reason = "plugin " + config.path + ": the system's loader is held by " + impl_->held_by +
                     ", which hangs while it is loaded; take that one out of the node's config and restart qarax-node";
    return add_refused(std::move(refused));
  }
  std::vector<PluginRecord> loaded;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& other : impl_->plugins)
      if (other->hypervisor) loaded.push_back(other->record);
  }
  auto plugin = Loading::run(impl_->services, impl_->options, config, std::move(loaded));
  if (plugin->record.hangs && plugin->record.step == LoadStep::open) impl_->held_by = config.path;
  return impl_->add(std::move(plugin));
}

PluginRecord PluginHost::add_refused(PluginRecord refused) {
  auto plugin = std::make_unique<Plugin>();
  plugin->record = std::move(refused);
  return impl_->add(std::move(plugin));
}

PluginRecord PluginHost::Impl::add(std::unique_ptr<Plugin> plugin) {
  auto& record = plugin->record;
  record.unchecked = unchecked_of(record);
  for (const auto& warning : record.warnings)
    log->warn("plugin {} {} while it was loaded; put back plugin={} path={}", record.path, warning, record.name,
              log_value(record.path));
  if (record.state == PluginState::loaded)
    log->info("plugin loaded plugin={} id={} version={} abi={} path={}", record.name, record.id,
              log_value(record.version), record.abi, log_value(record.path));
  else
    log->error("plugin refused: {} plugin={} step={}", record.reason, record.name, to_string(record.step));
  const std::lock_guard lock(mutex);
  plugins.push_back(std::move(plugin));
  return plugins.back()->record;
}

std::vector<PluginRecord> PluginHost::records() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<PluginRecord> all;
  for (const auto& plugin : impl_->plugins) all.push_back(plugin->record);
  return all;
}

LoadedHypervisor* PluginHost::hypervisor(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  const Plugin* plugin = impl_->find(name);
  return plugin != nullptr ? plugin->hypervisor.get() : nullptr;
}

std::string PluginHost::explain_missing(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  std::string loaded;
  std::string refused;
  for (const auto& plugin : impl_->plugins) {
    const auto& record = plugin->record;
    if (plugin->hypervisor) {
      loaded.append(loaded.empty() ? "" : ", ").append(record.name);
    } else if (record.name == name || std::filesystem::path(record.path).stem().string() == name) {
      refused.append("; ").append(record.reason);
    }
  }
  return std::string("no hypervisor \"")
      .append(name)
      .append("\" on this node; loaded: ")
      .append(loaded.empty() ? "none" : loaded)
      .append(refused);
}

Status PluginHost::refresh_description(std::string_view name) {
  LoadedHypervisor* loaded = hypervisor(name);
  if (loaded == nullptr) return make_error(Code::not_found, explain_missing(name));
  QARAX_TRY(const auto description, loaded->describe(context_for(impl_->options.describe_timeout_ms)));
  const std::lock_guard lock(impl_->mutex);
  for (auto& plugin : impl_->plugins) {
    if (plugin->hypervisor.get() != loaded) continue;
    const bool same_schema = plugin->record.description.options_schema == description.options_schema;
    plugin->record.description = description;
    if (!same_schema) plugin->record.unchecked = impl_->unchecked_of(plugin->record);
  }
  return Ok{};
}

Status PluginHost::shutdown(std::int64_t timeout_ms) {
  std::vector<Plugin*> live;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->shut_down) return Ok{};
    impl_->shut_down = true;
    for (const auto& plugin : impl_->plugins)
      if (plugin->hypervisor) live.push_back(plugin.get());
  }
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (auto* plugin : live) plugin->hypervisor->close(Clock::now());  // every door before the first destroy
  std::vector<Ending> endings;
  endings.reserve(live.size());
  for (auto* plugin : live) endings.emplace_back(*plugin->hypervisor, until);
  std::string late;
  for (std::size_t i = 0; i < live.size(); ++i) {
    const auto phase = endings[i].wait(until);
    const bool done = phase == Ending::Phase::done;
    if (done && live[i]->host->close(until)) continue;
    // Its code still runs in our memory: what it uses stays, and the caller leaves by _exit.
    late.append(late.empty() ? "" : ", ").append(live[i]->record.name);
    late.append(done                                 ? " (it calls the host)"
                : phase == Ending::Phase::destroying ? " (destroy hasn't returned)"
                                                     : " (a call hasn't returned)");
    const std::lock_guard lock(impl_->mutex);
    abandon(std::move(live[i]->hypervisor));
  }
  if (late.empty()) return Ok{};
  return make_error(Code::deadline_exceeded, "plugins that didn't end in time: " + late, "plugin-hangs");
}

}  // namespace qarax::core
