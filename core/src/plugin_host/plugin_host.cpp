#include "qarax/core/plugin_host/plugin_host.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "ending.hpp"
#include "plugin_list.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::core {

PluginHost::PluginHost(HostServices& services, PluginHostOptions options)
    : impl_(std::make_shared<Impl>(services, options)) {}

PluginHost::~PluginHost() { static_cast<void>(shutdown(5000)); }

std::vector<PluginRecord> PluginHost::records() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<PluginRecord> all;
  for (const auto& plugin : impl_->plugins) all.push_back(now_of(*plugin));
  return all;
}

LoadedHypervisor* PluginHost::hypervisor(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  const Listed* plugin = impl_->find(name);
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

bool PluginHost::may_be_loading(std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  return std::any_of(impl_->plugins.begin(), impl_->plugins.end(), [&](const auto& plugin) {
    if (plugin->record.state != PluginState::loading) return false;
    const PluginRecord now = now_of(*plugin);
    return now.name.empty() || now.name == name;
  });
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
  if (!impl_->end_loading()) return Ok{};
  std::vector<Plugin*> live;
  {
    const std::lock_guard lock(impl_->mutex);
    for (const auto& plugin : impl_->plugins)
      if (plugin->hypervisor) live.push_back(plugin.get());
  }
  using Clock = Loading::Clock;
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (auto* plugin : live) plugin->hypervisor->close(Clock::now());  // refuse calls to all before the first destroy
  std::vector<Ending> endings;
  endings.reserve(live.size());
  for (auto* plugin : live) endings.emplace_back(*plugin->hypervisor, until);
  std::string late;
  for (std::size_t i = 0; i < live.size(); ++i) {
    const auto phase = endings[i].wait(until);
    const bool done = phase == Ending::Phase::done;
    if (done && live[i]->host->close(until)) continue;
    // The plugin's code still runs in this process: what it uses is kept, and the caller ends with _exit.
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
